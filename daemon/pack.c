#include "daemon/pack.h"
#include <assert.h>
#include <pthread.h>
#include <string.h>

enum {
	PHRASES_MAX = 256,
	PHRASE_MAX = 127,
	LONG = 255 /* in the place of a length: it follows, in four bytes */
};

/* Text from where a value ends, or the rest of it is always the same, to where the next one begins, or what begins
 * it always. Phrase 0 has none. */
struct phrase {
	char text[PHRASE_MAX];
	uint8_t len;
};

static_assert(sizeof(struct phrase) % PACK_SLACK == 0, "a phrase is copied in parts of that size");

/* How a phrase goes on: its children are longer by some text each, and begin alike. */
struct node {
	uint8_t own;            /* the text that its parent does not have begins here */
	uint8_t child, sibling; /* 0: none */
	const struct spec_field *field; /* it ends where the value of this one begins */
	uint8_t ends[SPEC_FIELDS_MAX];  /* offsets in it where the value of a field ends, and the next one's name begins */
	uint8_t end_count;
};

static struct phrase phrases[PHRASES_MAX];
static struct node nodes[PHRASES_MAX];
static unsigned phrase_count = 1;
/* The phrases that are a field's name alone, and that with the end of a time before it (0: there is none). */
static uint8_t names[TABLE_COUNT][SPEC_FIELDS_MAX], names_after_time[TABLE_COUNT][SPEC_FIELDS_MAX];

/* What stands before it is left as it is: records are found by it. */
static const int first_packed[TABLE_COUNT] = {JOB_RESULT, RUN_CREATED_AT, ARTIFACT_CREATED_AT};

static const char time_begins[] = "\"20", time_ends[] = "+00:00\"";

/* ---- the phrases, made of the spec */

/* `parent` (0: none) with a value, then the field's name (NULL: none). */
static uint8_t learn(unsigned parent, const char *value, const struct spec_field *name)
{
	unsigned n = phrase_count++;
	assert(n < PHRASES_MAX);
	struct phrase *p = &phrases[n];
	*p = phrases[parent];
	struct node *node = &nodes[n];
	*node = (struct node){.own = phrases[parent].len, .field = name, .end_count = nodes[parent].end_count};
	memcpy(node->ends, nodes[parent].ends, sizeof node->ends);
	if (name)
		node->ends[node->end_count++] = (uint8_t)(p->len + strlen(value));
	const char *const more[] = {value, name ? ",\"" : "", name ? name->name : "", name ? "\":" : ""};
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
		size_t len = strlen(more[i]);
		assert(p->len + len <= PHRASE_MAX);
		memcpy(p->text + p->len, more[i], len);
		p->len = (uint8_t)(p->len + len);
	}
	if (parent) {
		node->sibling = nodes[parent].child;
		nodes[parent].child = (uint8_t)n;
	}
	return (uint8_t)n;
}

static bool may_be_null(const struct spec_field *f)
{
	return f->type == SPEC_TIME || (f->fallback && strcmp(f->fallback, "null") == 0);
}

static void learn_fields(enum table_id t)
{
	const struct spec_field *fields = spec_fields(t);
	unsigned from = phrase_count;
	for (int f = first_packed[t]; fields[f].name; f++) {
		names[t][f] = learn(0, "", &fields[f]);
		if (fields[f - 1].type == SPEC_TIME)
			names_after_time[t][f] = learn(0, time_ends, &fields[f]);
	}
	for (unsigned n = from; n < phrase_count; n++) {
		const struct spec_field *f = nodes[n].field;
		if (f && f->type == SPEC_TIME)
			learn(n, time_begins, NULL);
		if (f && f[1].name && may_be_null(f))
			learn(n, "null", f + 1);
	}
}

static void learn_all(void)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		learn_fields((enum table_id)t);
}

/* ---- packing */

/* The phrase of the name that stands before a value, but not before `from`. 0: none. */
static unsigned root(enum table_id t, int field, const char *from, const char *value)
{
	enum { ENDS = sizeof time_ends - 1 };
	unsigned name = names[t][field], after_time = names_after_time[t][field];
	size_t len = phrases[name].len;
	if (value - from < (ptrdiff_t)len || memcmp(value - len, phrases[name].text, len) != 0)
		return 0;
	value -= len;
	bool ends_time = after_time && value - from >= ENDS && memcmp(value - ENDS, time_ends, ENDS) == 0;
	return ends_time ? after_time : name;
}

/* The longest phrase that goes on like the text. */
static unsigned longest(unsigned phrase, const char *at, const char *end)
{
	for (unsigned n = nodes[phrase].child; n;) {
		const char *own = phrases[n].text + nodes[n].own;
		size_t len = phrases[n].len - nodes[n].own;
		if ((size_t)(end - at) >= len && *at == *own && memcmp(at, own, len) == 0) {
			at += len;
			phrase = n;
			n = nodes[n].child;
		} else {
			n = nodes[n].sibling;
		}
	}
	return phrase;
}

static size_t length_bytes(size_t len) { return len < LONG ? 1 : 1 + sizeof(uint32_t); }

static void step_end(struct pack *p, const char *end)
{
	struct pack_step *s = &p->steps[p->count - 1];
	s->bytes.len = (size_t)(end - s->bytes.at);
	if (s->phrase == 0 && s->bytes.len == 0)
		p->count--;
	else
		p->bytes += 1 + length_bytes(s->bytes.len) + s->bytes.len;
}

static void step_begin(struct pack *p, unsigned phrase, const char *at)
{
	assert(p->count < sizeof p->steps / sizeof p->steps[0]);
	p->steps[p->count++] = (struct pack_step){.phrase = (uint8_t)phrase, .bytes.at = at};
}

void pack_plan(enum table_id t, struct span text, const char *from, const struct members *m, struct pack *p)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *end = text.at + text.len;
	pthread_once(&once, learn_all);
	p->count = 0;
	p->bytes = 0;
	step_begin(p, 0, from);
	/* the fields of a file may stand in any order */
	for (int f = 0; f < first_packed[t]; f++)
		if (m->value[f].at && m->value[f].at + m->value[f].len > from)
			from = m->value[f].at + m->value[f].len;
	for (int f = first_packed[t]; names[t][f]; f++) {
		const char *value = m->value[f].at;
		unsigned begun = value ? root(t, f, from, value) : 0;
		if (!begun)
			continue;
		unsigned phrase = longest(begun, value, end);
		step_end(p, value - phrases[begun].len);
		from = value - phrases[begun].len + phrases[phrase].len;
		step_begin(p, phrase, from);
	}
	step_end(p, end);
}

void pack_write(const struct pack *p, char *to)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct pack_step *s = &p->steps[i];
		uint32_t len = (uint32_t)s->bytes.len;
		*to++ = (char)s->phrase;
		*to++ = (char)(len < LONG ? len : LONG);
		if (len >= LONG) {
			memcpy(to, &len, sizeof len);
			to += sizeof len;
		}
		memcpy(to, s->bytes.at, len);
		to += len;
	}
}

size_t pack_place(const struct pack *p, const char *at)
{
	size_t place = 0;
	for (unsigned i = 0;; i++) {
		assert(i < p->count);
		struct span bytes = p->steps[i].bytes;
		place += 1 + length_bytes(bytes.len);
		if (at >= bytes.at && at < bytes.at + bytes.len)
			return place + (size_t)(at - bytes.at);
		place += bytes.len;
	}
}

/* ---- unpacking */

static inline void copy_some(char *to, const char *from) { memcpy(to, from, PACK_SLACK); }

/* `ends`: NULL, or where the ends of the fields' values are put one after the other. */
static inline __attribute__((always_inline)) char *unpack(const char *packed, size_t bytes, char *out, const char **ends)
{
	const char *at = packed, *end = packed + bytes;
	while (at < end) {
		unsigned phrase = (unsigned char)*at++;
		const struct phrase *p = &phrases[phrase];
		for (unsigned i = 0; ends && i < nodes[phrase].end_count; i++)
			*ends++ = out + nodes[phrase].ends[i];
		copy_some(out, p->text);
		for (size_t i = PACK_SLACK; i < p->len; i += PACK_SLACK)
			copy_some(out + i, p->text + i);
		out += p->len;
		uint32_t len = (unsigned char)*at++;
		if (len <= PACK_SLACK) {
			copy_some(out, at);
		} else {
			if (len == LONG) {
				memcpy(&len, at, sizeof len);
				at += sizeof len;
			}
			memcpy(out, at, len);
		}
		out += len;
		at += len;
	}
	return out;
}

char *pack_text(const char *packed, size_t bytes, char *out)
{
	return unpack(packed, bytes, out, NULL);
}

char *pack_regular(const char *packed, size_t bytes, char *out, const char *ends[SPEC_FIELDS_MAX])
{
	return unpack(packed, bytes, out, ends);
}
