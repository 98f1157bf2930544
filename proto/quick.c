#include "proto/quick.h"
#include "proto/block.h"

struct reader {
	const char *at, *end;
};

static inline bool take(struct reader *r, const char *text, size_t len)
{
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
		return false;
	r->at += len;
	return true;
}

#define TAKE(r, literal) take(r, literal, sizeof(literal) - 1)

/* A comma or colon may have one blank behind it, as Python writes it. */
static inline void take_blank(struct reader *r)
{
	if (r->at < r->end && *r->at == ' ')
		r->at++;
}

/* A string of plain ASCII; `text` is what is between the quotes. */
static bool take_string(struct reader *r, struct span *text)
{
	const char *p = r->at + 1;
	if (r->at == r->end || *r->at != '"')
		return false;
	p = block_pass_plain(p, r->end);
	while (p < r->end && *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x7f)
		p++;
	if (p == r->end || *p != '"')
		return false;
	*text = (struct span){r->at + 1, (size_t)(p - r->at) - 1};
	r->at = p + 1;
	return true;
}

/* A number of few digits in canonical form. */
static bool take_number(struct reader *r, double *number)
{
	static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *p = r->at;
	uint64_t digits = 0;
	size_t count = 0, fraction = 0;
	for (; p < r->end && *p >= '0' && *p <= '9'; p++, count++)
		digits = digits * 10 + (uint64_t)(*p - '0');
	if (count == 0 || count > 15 || (count > 1 && *r->at == '0') || p == r->end)
		return false;
	if (*p == '.') {
		const char *point = p++;
		for (; p < r->end && *p >= '0' && *p <= '9'; p++)
			digits = digits * 10 + (uint64_t)(*p - '0');
		fraction = (size_t)(p - point) - 1;
		/* a small one may want an exponent, and no zero stands at the end but alone */
		if (fraction == 0 || count + fraction > 15 || *r->at == '0' || (fraction > 1 && p[-1] == '0'))
			return false;
	}
	if (p == r->end || *p == 'e' || *p == 'E' || *p == '.')
		return false;
	*number = (double)digits / tens[fraction];
	r->at = p;
	return true;
}

/* The envelope's id: a short whole number or a plain string. */
static bool take_id(struct reader *r, struct span *id)
{
	const char *start = r->at;
	struct span text;
	double number;
	if (r->at < r->end && *r->at == '"' ? !take_string(r, &text) : !take_number(r, &number))
		return false;
	*id = (struct span){start, (size_t)(r->at - start)};
	return true;
}

static bool take_method(struct reader *r, struct quick *q)
{
	if (TAKE(r, "\"job.get\""))
		q->method = JOB_GET;
	else if (TAKE(r, "\"job.update_progress\""))
		q->method = JOB_UPDATE_PROGRESS;
	else
		return false;
	return true;
}

static bool take_progress(struct reader *r, struct quick *q)
{
	const char *start = r->at;
	struct span message;
	double number;
	if (!TAKE(r, "{\"current\":"))
		return false;
	take_blank(r);
	if (!take_number(r, &number) || !TAKE(r, ","))
		return false;
	take_blank(r);
	if (!TAKE(r, "\"total\":"))
		return false;
	take_blank(r);
	if (!take_number(r, &number) || !TAKE(r, ","))
		return false;
	take_blank(r);
	if (!TAKE(r, "\"message\":"))
		return false;
	take_blank(r);
	if (!take_string(r, &message) || !TAKE(r, "}"))
		return false;
	q->progress = (struct span){start, (size_t)(r->at - start)};
	return true;
}

/* {"id":…} or {"id":…,"progress":{…}} */
static bool take_params(struct reader *r, struct quick *q)
{
	const char *start = r->at;
	if (!TAKE(r, "{\"id\":"))
		return false;
	take_blank(r);
	if (!take_string(r, &q->job) || !ident_check(IDENT_JOB, q->job))
		return false;
	if (TAKE(r, ",")) {
		take_blank(r);
		if (!TAKE(r, "\"progress\":"))
			return false;
		take_blank(r);
		if (!take_progress(r, q))
			return false;
	}
	if (!TAKE(r, "}"))
		return false;
	q->params = (struct span){start, (size_t)(r->at - start)};
	return true;
}

enum member { VERSION = 1, ID = 2, METHOD = 4, PARAMS = 8 };

static enum member take_name(struct reader *r)
{
	if (TAKE(r, "\"jsonrpc\":"))
		return VERSION;
	if (TAKE(r, "\"id\":"))
		return ID;
	if (TAKE(r, "\"method\":"))
		return METHOD;
	return TAKE(r, "\"params\":") ? PARAMS : 0;
}

static bool take_value(struct reader *r, enum member m, struct quick *q)
{
	switch (m) {
	case VERSION: return TAKE(r, "\"2.0\"");
	case ID: return take_id(r, &q->id);
	case METHOD: return take_method(r, q);
	case PARAMS: return take_params(r, q);
	}
	return false;
}

bool quick_read(struct span line, struct quick *q)
{
	struct reader r = {line.at, line.at + line.len};
	unsigned seen = 0;
	*q = (struct quick){0};
	if (!TAKE(&r, "{"))
		return false;
	do {
		take_blank(&r);
		enum member m = take_name(&r);
		take_blank(&r);
		if (seen & m || !take_value(&r, m, q))
			return false;
		seen |= m;
	} while (TAKE(&r, ","));
	if (!TAKE(&r, "}") || r.at != r.end || (seen & ~(unsigned)ID) != (VERSION | METHOD | PARAMS))
		return false;
	return (q->method == JOB_UPDATE_PROGRESS) == (q->progress.at != NULL);
}

static void set(struct param *p, struct span text)
{
	p->present = true;
	p->text = text;
}

void quick_params(const struct quick *q, struct params *out)
{
	const struct spec_method *m = &spec_methods[q->method];
	for (unsigned i = 0; i < m->param_count; i++)
		memset(&out->at[i], 0, offsetof(struct param, list));
	out->outline = NULL;
	struct param *id = &out->at[q->method == JOB_GET ? (int)JOB_GET_ID : (int)JOB_UPDATE_PROGRESS_ID];
	set(id, (struct span){q->job.at - 1, q->job.len + 2});
	id->string = q->job;
	if (q->method == JOB_UPDATE_PROGRESS)
		set(&out->at[JOB_UPDATE_PROGRESS_PROGRESS], q->progress);
}

bool quick_progress(struct span object, double *current, double *total)
{
	struct reader r = {object.at, object.at + object.len};
	struct span message;
	return TAKE(&r, "{\"current\":") && take_number(&r, current) && TAKE(&r, ",\"total\":") && take_number(&r, total) &&
	       TAKE(&r, ",\"message\":") && take_string(&r, &message) && TAKE(&r, "}") && r.at == r.end;
}
