/* damage: small stores (sample.h), each file of them damaged in every way that can be thought of: its bytes, and what file
 * stands where. What a start or a salvage makes of each is the caller's to judge. */
#pragma once
#include "tests/crash/sample.h"

struct damage_file {
	enum ram_place place;
	char name[64], path[96]; /* with the directory */
	struct span text;        /* the sample's */
};

enum { DAMAGE_FILES = 16 };

struct damage_trial;

struct damage {
	struct sample sample;
	struct damage_file files[DAMAGE_FILES]; /* by path */
	size_t file_count;
	unsigned every; /* byte is damaged */
	void (*judge)(struct damage_trial *t);
};

/* What a start may show beside exactly what was acknowledged. */
enum damage_allowed {
	ALLOW_ALL,
	ALLOW_OLDER,   /* also an older state, whole: nothing that is left can know of what came after it */
	ALLOW_REFUSAL, /* it must not start */
};

struct damage_trial {
	struct damage *damage;
	const char *damaged;               /* the path that a refusal must name; NULL: any */
	const struct damage_file *file;    /* whose bytes are damaged; NULL: it is more than bytes */
	const struct damage_file *payload; /* that is damaged */
	bool one_byte;                     /* of it is another one, or stands behind it, and that is all */
	enum damage_allowed allowed;
	struct ram_disk disk;              /* the judge may change it */
	char what[256];
};

/* Makes a store of each shape and gives each damage to `judge`. */
void damage_all(const char *path, unsigned every, void (*judge)(struct damage_trial *t));
