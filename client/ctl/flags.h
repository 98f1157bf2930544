/* flags: what may be typed behind a command, as tables, and what was typed.
 *
 * --flag=value, --flag value, -n 5, -n5, -qa; --no-flag turns a flag without a value off; "--" ends the
 * flags; flags and operands mix. A flag that nobody knows, or that lacks its value, has been told on stderr,
 * with the nearest name, when flags_parse comes back false. */
#pragma once
#include "proto/spec.h"

/* What completion offers for a flag's value, or for an operand, beside the choices. */
enum offer {
	OFFER_NOTHING, OFFER_FILE, OFFER_JOB, OFFER_RUN, OFFER_ARTIFACT, OFFER_JOB_TYPE, OFFER_KIND, OFFER_FIELDS,
	OFFER_COMMAND, OFFER_METHOD
};

/* A list of them is ended by a row without a name. */
struct flag {
	const char *name;     /* without the dashes: "dry-run" */
	char letter;          /* 'n' for -n; 0: none */
	const char *argument; /* what help calls its value: "N"; NULL: it takes none, is on or off */
	bool on;              /* without argument: on unless --no-NAME is said */
	bool many;            /* may be said several times, each adds; else the last one counts */
	const char *const *choices; /* values that are allowed (flags_parse refuses others); NULL: any */
	enum offer offer;
	enum table_id table;  /* OFFER_FIELDS: of which records */
	const char *prose;    /* for help: a sentence */
	/* where it stands for a method's parameter, or a field of a parameter that is a record; else NULL */
	const struct spec_param *param;
	const struct spec_field *field;
};

/* What stands behind a command without a dash. A list of them is ended by a row without a name. */
struct operand {
	const char *name;  /* as help shows it: "ID" */
	bool required;
	bool many;         /* the last one: any number */
	enum offer offer;
	const char *const *choices; /* for completion; NULL: any */
	const char *prose;
	const char *flag;  /* it says the same as this flag; NULL: something of its own */
};

enum { FLAG_LISTS = 4 };

/* What was typed. Borrows the arguments and the tables. */
struct given {
	const struct flag *lists[FLAG_LISTS]; /* a name in an earlier list hides the same in a later one */
	struct given_flag {
		const struct flag *flag;
		const char *value; /* NULL: it takes none */
		bool on;           /* false: --no-… */
		const struct operand *operand; /* it was typed as this operand; NULL: as the flag */
	} *flags;
	size_t flag_count;
	const char **operands;
	size_t operand_count;
};

/* What it was typed as, for complaints: "--limit", or "ID". */
void given_name(const struct given_flag *said, char out[80]);
/* Hands the operands to the flags that they stand for. Those that have none stay operands, as do all that are
 * more than the table has. */
void given_operands(struct given *g, const struct operand *operands);

/* One operand for its flag. */
void given_say(struct given *g, const struct operand *o, const char *typed);

/* A word without a dash before it; also "-", and a negative number. */
bool flags_is_operand(const char *word);

/* Adds to `g`, whose lists are set. `command` is what the complaint names ("job list"; "": persistctl
 * itself). */
bool flags_parse(struct given *g, int argc, char **argv, const char *command);
void given_free(struct given *g);

/* By name, which must stand in one of the lists (asserted: a misspelt name is our bug). */
bool given_has(const struct given *g, const char *name);
bool given_on(const struct given *g, const char *name);          /* of a flag without a value */
const char *given_text(const struct given *g, const char *name); /* the last value; NULL: not said */
/* Each value of a flag that may be said several times: start with *at = 0; NULL: no more. */
const char *given_next(const struct given *g, const char *name, size_t *at);
/* The operand at `place`, NULL: none. */
const char *given_operand(const struct given *g, size_t place);

/* The flag of a name or a letter in the lists, NULL: none. */
const struct flag *flags_find(const struct flag *const lists[FLAG_LISTS], struct span name);
