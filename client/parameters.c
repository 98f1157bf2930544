#include "client/parameters.h"
#include "client/trouble.h"
#include "client/value.h"
#include "proto/scan.h"
#include <math.h>

static bool name(struct parameters *p, const char *name)
{
	if (p->error.code)
		return false;
	buf_printf(&p->text, "%s\"%s\":", p->text.len ? "," : "{", name);
	return true;
}

void parameters_text(struct parameters *p, const char *field, const char *text)
{
	if (text && name(p, field))
		value_put_text(&p->text, text, field, &p->error);
}

static void put_words(struct parameters *p, const char *field, const char *words)
{
	const char *before = "[";
	for (const char *at = words;; at++) {
		size_t len = strcspn(at, ",");
		struct buf word = {0};
		buf_add(&word, at, len);
		buf_char(&word, '\0');
		buf_text(&p->text, before);
		before = ",";
		bool good = value_put_text(&p->text, word.at, field, &p->error);
		buf_free(&word);
		at += len;
		if (!*at || !good)
			break;
	}
	buf_char(&p->text, ']');
}

void parameters_list(struct parameters *p, const char *field, const char *words)
{
	if (words && name(p, field))
		put_words(p, field, words);
}

void parameters_words(struct parameters *p, const char *field, const char *words)
{
	if (words && strchr(words, ','))
		parameters_list(p, field, words);
	else
		parameters_text(p, field, words);
}

void parameters_value(struct parameters *p, const char *field, persist_value v)
{
	if ((v.text || v.json) && name(p, field))
		value_put(&p->text, v, field, &p->error);
}

void parameters_int(struct parameters *p, const char *field, int64_t n)
{
	if (name(p, field))
		buf_int(&p->text, n);
}

void parameters_real(struct parameters *p, const char *field, double d)
{
	if (!name(p, field))
		return;
	if (fabs(d) < 9007199254740992.0 && d == (double)(int64_t)d)
		buf_int(&p->text, (int64_t)d); /* as people write it: 30, not 30.0 */
	else if (isfinite(d))
		buf_real(&p->text, d);
	else
		trouble_argument(&p->error, field, "a finite number, it is %f", d);
}

void parameters_true(struct parameters *p, const char *field)
{
	if (name(p, field))
		buf_text(&p->text, "true");
}

void parameters_object(struct parameters *p, const char *field, persist_value object)
{
	if (p->error.code || !value_put(&p->text, object, field, &p->error))
		return;
	struct span text = buf_as_span(&p->text);
	if (scan_kind(text) != SCAN_OBJECT) {
		trouble_argument(&p->error, field, "an object");
		return;
	}
	while (p->text.at[p->text.len - 1] != '}') /* white space behind it */
		p->text.len--;
	p->text.len--;
	if (scan_count(text) == 0)
		p->text.len = 0;
}

persist_value parameters_end(struct parameters *p)
{
	if (p->error.code)
		return persist_none();
	buf_text(&p->text, p->text.len ? "}" : "{}");
	return persist_text_n(p->text.at, p->text.len);
}

void parameters_free(struct parameters *p)
{
	buf_free(&p->text);
}
