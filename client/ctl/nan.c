#include "client/ctl/nan.h"

static const char *const words[] = {"NaN", "Infinity", "-Infinity"};

enum { WORDS = sizeof words / sizeof *words };

bool nan_may_begin(char c)
{
	return c == 'N' || c == 'I';
}

void nan_start(struct nan *n, uint64_t at, char before)
{
	n->on = true;
	n->in_string = n->escaped = false;
	n->before = before;
	n->done = at;
}

/* A value stands behind one of these: 1NaN is no value with a NaN in it. */
static bool may_precede(char c)
{
	return c == ':' || c == ',' || c == '[' || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\0';
}

enum match { MATCH_NONE, MATCH_PART, MATCH_WHOLE };

static enum match match(struct span text, const char *word)
{
	size_t len = strlen(word), some = text.len < len ? text.len : len;

	if (memcmp(text.at, word, some) != 0)
		return MATCH_NONE;
	return some == len ? MATCH_WHOLE : MATCH_PART;
}

/* The bytes of `text` that were taken; 0: it has to wait for more. */
static size_t look_outside(struct nan *n, char *text, size_t len, bool end)
{
	n->in_string = *text == '"';
	if (!may_precede(n->before) || (*text != '-' && !nan_may_begin(*text)))
		return 1;
	for (size_t i = 0; i < WORDS; i++) {
		enum match m = match((struct span){text, len}, words[i]);
		if (m == MATCH_PART && !end)
			return 0;
		if (m != MATCH_WHOLE)
			continue;
		size_t word = strlen(words[i]);
		buf_add(&n->places, &(struct nan_place){n->done, words[i]}, sizeof(struct nan_place));
		memset(text, ' ', word);
		*text = '0';
		return word;
	}
	return 1;
}

static void look_inside(struct nan *n, char c)
{
	if (n->escaped)
		n->escaped = false;
	else if (c == '\\')
		n->escaped = true;
	else if (c == '"')
		n->in_string = false;
}

static void forget_passed(struct nan *n)
{
	size_t passed = n->passed * sizeof(struct nan_place);

	if (passed > 0)
		memmove(n->places.at, n->places.at + passed, n->places.len - passed);
	n->places.len -= passed;
	n->passed = 0;
}

void nan_look(struct nan *n, char *text, size_t len, bool end)
{
	forget_passed(n);
	for (size_t at = 0, taken; at < len; at += taken) {
		taken = 1;
		if (n->in_string)
			look_inside(n, text[at]);
		else
			taken = look_outside(n, text + at, len - at, end);
		if (taken == 0)
			return;
		/* what follows a word at once is no value */
		n->before = taken == 1 ? text[at] : '0';
		n->done += taken;
	}
}

const struct nan_place *nan_between(struct nan *n, uint64_t from, uint64_t to, size_t *count)
{
	const struct nan_place *places = (const struct nan_place *)n->places.at;
	size_t all = n->places.len / sizeof *places, first = n->passed;

	while (first < all && places[first].at < from)
		first++;
	n->passed = first;
	*count = 0;
	while (first + *count < all && places[first + *count].at < to)
		++*count;
	return *count > 0 ? places + first : NULL;
}

void nan_mend(struct buf *out, struct span text, uint64_t at, const struct nan_place *places, size_t count)
{
	size_t from = 0;

	for (size_t i = 0; i < count; i++) {
		size_t place = (size_t)(places[i].at - at);
		buf_add(out, text.at + from, place - from);
		buf_text(out, "null");
		from = place + strlen(places[i].word);
	}
	if (from < text.len) /* a value that is only such a word has lost its blanks */
		buf_add(out, text.at + from, text.len - from);
}

void nan_free(struct nan *n)
{
	buf_free(&n->places);
	*n = (struct nan){0};
}
