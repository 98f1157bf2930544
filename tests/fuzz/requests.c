#include "tests/fuzz/requests.h"
#include "proto/scan.h"
#include "proto/spec.h"

enum { DEPTH = 4, WIDTH = 4 };

static bool one_in(struct requests *r, unsigned n)
{
	return fuzz_byte(&r->in) % n == n - 1; /* not at the input's end */
}

static const char *pick(struct requests *r, const char *const *of, unsigned count)
{
	return of[fuzz_below(&r->in, count)];
}
#define PICK(r, ...) \
	pick(r, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Letters of the input, as a JSON string; bytes that are no UTF-8 become others. */
static void string(struct requests *r, struct buf *out, unsigned max)
{
	char text[256];
	unsigned len = fuzz_below(&r->in, max < sizeof(text) ? max + 1 : sizeof(text));
	for (unsigned i = 0; i < len; i++)
		text[i] = (char)(fuzz_byte(&r->in) & 0x7f);
	buf_string(out, (struct span){text, len});
}

static void value(struct requests *r, struct buf *out);

static void container(struct requests *r, struct buf *out, bool object)
{
	unsigned count = r->depth < DEPTH ? fuzz_below(&r->in, WIDTH) : 0;
	r->depth++;
	buf_char(out, object ? '{' : '[');
	for (unsigned i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		if (object)
			buf_printf(out, "\"%s%u\": ", PICK(r, "k", "job_id", "current", "\\u00e9"), i);
		value(r, out);
	}
	buf_char(out, object ? '}' : ']');
	r->depth--;
}

/* Any JSON. */
static void value(struct requests *r, struct buf *out)
{
	switch (fuzz_below(&r->in, 10)) {
	case 0: buf_text(out, "null"); break;
	case 1: buf_text(out, PICK(r, "true", "false")); break;
	case 2: buf_int(out, (int64_t)fuzz_number(&r->in, 8) >> fuzz_below(&r->in, 64)); break;
	case 3: buf_printf(out, "%.*e", (int)fuzz_below(&r->in, 18), (double)(int64_t)fuzz_number(&r->in, 8)); break;
	case 4: buf_text(out, PICK(r, "1e400", "99999999999999999999", "-0", "-0.0", "1E-400", "0.1", "5e-324")); break;
	case 5: string(r, out, 12); break;
	case 6: string(r, out, 200); break;
	case 7: container(r, out, true); break;
	case 8: container(r, out, false); break;
	case 9:
		buf_text(out, PICK(r, "\"\\ud83d\\ude00\"", "\"\\u0000\"", "\"€é\"", "\"2026-11-22T16:50:00Z\"", "\"a\"", "\"\""));
		break;
	}
}

/* ---- fields and parameters */

static void ident(struct requests *r, struct buf *out, enum ident i)
{
	switch (fuzz_below(&r->in, 12)) {
	case 8: string(r, out, 12); break;
	case 9: value(r, out); break;
	case 10:
		buf_char(out, '"');
		for (unsigned n = fuzz_below(&r->in, 256); n > 0; n--)
			buf_char(out, 'a');
		buf_char(out, '"');
		break;
	default:
		if (i == IDENT_ARTIFACT && r->artifact[0] && !one_in(r, 4))
			buf_string(out, span_of(r->artifact));
		else
			buf_printf(out, "\"%s\"", PICK(r, "a", "b", "c", "run_1", "planted", "backtest"));
	}
}

static void whole(struct requests *r, struct buf *out, int64_t min, int64_t max)
{
	switch (fuzz_below(&r->in, 6)) {
	case 0: buf_int(out, min); break;
	case 1: buf_int(out, max); break;
	case 2: buf_int(out, min - (min > INT64_MIN)); break;
	case 3: buf_int(out, max + (max < INT64_MAX)); break;
	case 4: buf_int(out, (int64_t)fuzz_byte(&r->in)); break;
	case 5: buf_printf(out, "%u.5", fuzz_byte(&r->in)); break;
	}
}

static void choice(struct requests *r, struct buf *out, const struct spec_field *f)
{
	const char *const *of = f->other_choices && one_in(r, 6) ? f->other_choices : f->choices;
	unsigned count = 0;
	while (of[count])
		count++;
	struct span word = span_of(of[fuzz_below(&r->in, count)]);
	buf_string(out, word);
	if (one_in(r, 8))
		out->at[out->len - 2] &= (char)0xdf; /* upper case */
}

static void fields(struct requests *r, struct buf *out, const struct spec_field *of)
{
	unsigned bits = (unsigned)fuzz_number(&r->in, 2), i = 0;
	const char *comma = "";
	buf_char(out, '[');
	for (; of->name; of++, i++) {
		if (bits >> i & 1) {
			buf_printf(out, "%s\"%s\"", comma, of->name);
			comma = ",";
		}
	}
	if (one_in(r, 16))
		buf_printf(out, "%s\"statsu\"", comma);
	buf_char(out, ']');
}

static void field(struct requests *r, struct buf *out, const struct spec_field *f, enum table_id table);

static void record(struct requests *r, struct buf *out, const struct spec_field *of)
{
	uint32_t bits = (uint32_t)fuzz_number(&r->in, 2);
	const char *comma = "";
	buf_char(out, '{');
	for (unsigned i = 0; of[i].name; i++) {
		if (!of[i].required && !(bits >> i % 16 & 1) && i > 0)
			continue;
		buf_printf(out, "%s\"%s\":", comma, of[i].name);
		comma = ",";
		field(r, out, &of[i], TABLE_JOBS);
	}
	if (one_in(r, 12)) {
		buf_printf(out, "%s\"%s\":", comma, PICK(r, "payload", "statsu", "extra", "\\u0069d"));
		value(r, out);
	}
	buf_char(out, '}');
}

static void list_of(struct requests *r, struct buf *out, const struct spec_field *f, enum table_id table,
                    void (*each)(struct requests *, struct buf *, const struct spec_field *, enum table_id))
{
	unsigned count = fuzz_below(&r->in, one_in(r, 16) ? 40 : 4);
	buf_char(out, '[');
	for (unsigned i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		each(r, out, f, table);
	}
	buf_char(out, ']');
}

static void element(struct requests *r, struct buf *out, const struct spec_field *f, enum table_id table)
{
	if (f->type == SPEC_ARRAY)
		record(r, out, f->fields ? f->fields : spec_fields(table));
	else
		string(r, out, 6);
}

static void time_text(struct requests *r, struct buf *out)
{
	if (one_in(r, 3))
		buf_printf(out, "\"20%02u-%02u-%02uT%02u:00:00Z\"", fuzz_below(&r->in, 100), fuzz_below(&r->in, 13),
		           fuzz_below(&r->in, 32), fuzz_below(&r->in, 25));
	else
		buf_text(out, PICK(r, "\"2026-09-21T14:13:20.000005Z\"", "\"2026-09-21 14:13:20\"", "\"0001-01-01T00:00:00+0000\"",
		                   "\"9999-12-31t23:59:60.999999999z\"", "\"\"", "\"2026-09-21T14:13:20.00001+00:00\""));
}

static void good_field(struct requests *r, struct buf *out, const struct spec_field *f, enum table_id table)
{
	switch (f->type) {
	case SPEC_IDENT: ident(r, out, f->ident); break;
	case SPEC_KIND: buf_printf(out, "\"%s\"", PICK(r, "Backtest", "grid search", "", "a", "\\u212a/é", "run")); break;
	case SPEC_STRING: string(r, out, f->max < 200 ? (unsigned)f->max + 1 : 40); break;
	case SPEC_INT: whole(r, out, f->min, f->max); break;
	case SPEC_NUMBER: one_in(r, 2) ? value(r, out) : whole(r, out, f->min, f->max); break;
	case SPEC_BOOL: buf_text(out, PICK(r, "true", "false")); break;
	case SPEC_TIME: time_text(r, out); break;
	case SPEC_CHOICE: choice(r, out, f); break;
	case SPEC_OBJECT: f->fields ? record(r, out, f->fields) : container(r, out, true); break;
	case SPEC_ARRAY:
	case SPEC_STRINGS: list_of(r, out, f, table, element); break;
	case SPEC_ANY: value(r, out); break;
	case SPEC_FIELDS: fields(r, out, spec_fields(table)); break;
	case SPEC_CURSOR:
		if (r->cursor[0] && !one_in(r, 4))
			buf_string(out, span_of(r->cursor));
		else
			buf_text(out, PICK(r, "\"t.1.a\"", "\"i.a\"", "\"\"", "\"t.-9223372036854775808.a\"", "\"t..\""));
		break;
	}
}

static void field(struct requests *r, struct buf *out, const struct spec_field *f, enum table_id table)
{
	switch (fuzz_below(&r->in, 24)) {
	case 22: buf_text(out, "null"); break;
	case 23: value(r, out); break;
	default: good_field(r, out, f, table);
	}
}

static void parameter(struct requests *r, struct buf *out, const struct spec_param *p)
{
	struct spec_field f = spec_param_field(p);
	if (p->many && (p->unbounded || one_in(r, 3)))
		list_of(r, out, &f, p->table, field);
	else
		field(r, out, &f, p->table);
}

static void params(struct requests *r, struct buf *out, const struct spec_method *m)
{
	unsigned bits = (unsigned)fuzz_number(&r->in, 2);
	bool positional = one_in(r, 8);
	const char *comma = "";
	buf_char(out, positional ? '[' : '{');
	for (unsigned i = 0; i < m->param_count; i++) {
		const struct spec_param *p = &m->params[i];
		if (!(bits >> i & 1) && (!p->required || one_in(r, 16))) {
			if (positional)
				break;
			continue;
		}
		buf_text(out, comma);
		comma = ",";
		if (!positional)
			buf_printf(out, "\"%s\":", p->name);
		parameter(r, out, p);
	}
	if (one_in(r, 24)) {
		buf_printf(out, positional ? "%s" : "%s\"idd\":", comma);
		value(r, out);
	}
	buf_char(out, positional ? ']' : '}');
}

void requests_one(struct requests *r, struct buf *out)
{
	const struct spec_method *m = &spec_methods[fuzz_below(&r->in, METHOD_COUNT)];
	unsigned form = fuzz_below(&r->in, 16);
	buf_printf(out, "{\"jsonrpc\":\"2.0\",\"method\":\"%s%s\"", m->name, form == 15 ? "x" : "");
	if (form == 14) {
		buf_text(out, ",\"params\":");
		value(r, out);
	} else if (form != 13) {
		buf_text(out, ",\"params\":");
		params(r, out, m);
	}
	if (form != 12)
		buf_printf(out, form == 11 ? ",\"id\":\"%u\"}" : ",\"id\":%u}", ++r->next_id);
	else
		buf_char(out, '}');
}

/* ---- what replies tell */

static void keep(char *to, size_t size, struct span string)
{
	if (scan_kind(string) == SCAN_STRING && string.len - 2 < size && !memchr(string.at, '\\', string.len))
		snprintf(to, size, "%.*s", (int)string.len - 2, string.at + 1);
}

static void learn_one(struct requests *r, struct span reply)
{
	struct span result, id, value_;
	if (!scan_member(reply, "result", &result))
		return;
	if (scan_member(result, "size_bytes", &value_) && scan_member(result, "id", &id))
		keep(r->artifact, sizeof(r->artifact), id);
	if (scan_member(result, "next_cursor", &value_))
		keep(r->cursor, sizeof(r->cursor), value_);
}

void requests_learn(struct requests *r, struct span line)
{
	struct span reply;
	if (scan_kind(line) == SCAN_ARRAY)
		for (struct scan_iter it = scan_elements(line); scan_next_element(&it, &reply);)
			learn_one(r, reply);
	else
		learn_one(r, line);
}
