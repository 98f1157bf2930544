#include "client/failure.h"
#include "proto/fault.h"
#include "proto/scan.h"
#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#define SAME(name, code) _Static_assert(PERSIST_##name == (code), "persist.h and fault.h agree");
#define PERSIST_PARSE PERSIST_PARSE_ERROR
#define PERSIST_INTERNAL PERSIST_INTERNAL_ERROR
#define X(name, number, kind, text) SAME(name, number)
FAULT_CODES(X)
#undef X

static const char *const kinds[] = {
	[PERSIST_OK] = "",
	[PERSIST_E_NO_DAEMON] = "no_daemon",
	[PERSIST_E_TIMEOUT] = "no_reply",
	[PERSIST_E_CONNECTION] = "connection",
	[PERSIST_E_PROTOCOL] = "protocol",
	[PERSIST_E_ARGUMENT] = "argument",
	[PERSIST_E_TOO_LARGE] = "too_large",
	[PERSIST_E_MISUSE] = "misuse",
	[PERSIST_E_CANCELLED] = "cancelled",
};

void failure_clear(persist_error *e)
{
	e->code = PERSIST_OK;
	e->outcome = PERSIST_DID_NOT_HAPPEN;
	e->kind[0] = e->message[0] = e->field[0] = e->expected[0] = e->hint[0] = '\0';
	e->removed = -1;
	e->system_error = 0;
}

/* A text that filled its place may end inside a character. */
static void cut_whole(char *text, size_t size)
{
	size_t len = strlen(text), start = len;

	if (len + 1 < size)
		return;
	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0 || (unsigned char)text[start - 1] < 0xc0)
		return;
	unsigned char lead = (unsigned char)text[--start];
	size_t whole = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (len - start < whole)
		text[start] = '\0';
}

#define PUT(text, format)                                                                                    \
	do {                                                                                                     \
		va_list args;                                                                                        \
		va_start(args, format);                                                                              \
		vsnprintf(text, sizeof(text), format, args);                                                         \
		va_end(args);                                                                                        \
		cut_whole(text, sizeof(text));                                                                       \
	} while (0)

void failure_set(persist_error *e, enum persist_code code, enum persist_outcome outcome, const char *message,
                 ...)
{
	assert(code > 0);
	failure_clear(e);
	e->code = code;
	e->outcome = outcome;
	strcpy(e->kind, kinds[code]);
	PUT(e->message, message);
}

void failure_field(persist_error *e, const char *field)
{
	snprintf(e->field, sizeof e->field, "%s", field);
	cut_whole(e->field, sizeof e->field);
}

void failure_expected(persist_error *e, const char *format, ...)
{
	PUT(e->expected, format);
}

void failure_hint(persist_error *e, const char *format, ...)
{
	PUT(e->hint, format);
}

static void read_text(char *to, size_t size, struct span object, const char *name)
{
	struct span value, text;
	struct buf scratch = {0};

	if (scan_member(object, name, &value) && scan_string(value, &scratch, &text)) {
		snprintf(to, size, "%.*s", text.len < size ? (int)text.len : (int)size, text.at);
		cut_whole(to, size);
	}
	buf_free(&scratch);
}

static void read_details(persist_error *e, struct span details)
{
	struct span removed;
	int64_t count;
	double real;

	read_text(e->kind, sizeof e->kind, details, "kind");
	read_text(e->field, sizeof e->field, details, "field");
	read_text(e->expected, sizeof e->expected, details, "expected");
	read_text(e->hint, sizeof e->hint, details, "hint");
	if (scan_member(details, "removed", &removed) && scan_number(removed, &count, &real) == SCAN_INT)
		e->removed = count;
}

bool failure_read(persist_error *e, struct span object)
{
	struct span value;
	int64_t code;
	double real;
	enum fault_code known;

	failure_clear(e);
	if (!scan_member(object, "code", &value) || scan_number(value, &code, &real) != SCAN_INT || code >= 0 ||
	    code < INT_MIN)
		return false;
	e->code = (int)code;
	e->outcome = code == PERSIST_OUTCOME_UNKNOWN ? PERSIST_UNKNOWN : PERSIST_DID_NOT_HAPPEN;
	read_text(e->message, sizeof e->message, object, "message");
	if (scan_member(object, "data", &value) && scan_kind(value) == SCAN_OBJECT)
		read_details(e, value);
	if (!e->kind[0] && fault_from_number(code, &known))
		strcpy(e->kind, fault_kind(known));
	return true;
}
