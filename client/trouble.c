#include "client/trouble.h"
#include "proto/fault.h"
#include "proto/scan.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* The daemon's numbers stand in two headers, because persist.h is installed alone. */
#define X(name, number, kind, text) \
	static_assert(PERSIST_##name == (number), "persist.h says the number of " kind " otherwise than proto/fault.h");
#define PERSIST_PARSE PERSIST_PARSE_ERROR
#define PERSIST_INTERNAL PERSIST_INTERNAL_ERROR
FAULT_CODES(X)
#undef X

static const char *const kinds[] = {
	[PERSIST_E_NO_DAEMON] = "no_daemon", [PERSIST_E_TIMEOUT] = "no_reply", [PERSIST_E_CONNECTION] = "connection",
	[PERSIST_E_PROTOCOL] = "protocol", [PERSIST_E_ARGUMENT] = "argument", [PERSIST_E_TOO_LARGE] = "reply_too_large",
	[PERSIST_E_MISUSE] = "misuse", [PERSIST_E_CANCELLED] = "cancelled",
};

/* Cut at a character's end where it is too long. */
static void put(char *to, size_t size, struct span text)
{
	size_t len = text.len < size ? text.len : size - 1;
	while (len > 0 && len < text.len && ((unsigned char)text.at[len] & 0xc0) == 0x80)
		len--;
	memcpy(to, text.at, len);
	to[len] = '\0';
	for (char *c = to; *c; c++)
		if ((unsigned char)*c < 0x20)
			*c = ' ';
}

void trouble_set(persist_error *e, enum persist_code code, int system_error, const char *message, ...)
{
	va_list args;
	*e = (persist_error){.code = code, .removed = -1, .system_error = system_error};
	snprintf(e->kind, sizeof e->kind, "%s", kinds[code]);
	va_start(args, message);
	int len = vsnprintf(e->message, sizeof e->message, message, args);
	va_end(args);
	if (system_error && len > 0 && (size_t)len < sizeof e->message)
		snprintf(e->message + len, sizeof e->message - (size_t)len, ": %s", strerror(system_error));
}

void trouble_argument(persist_error *e, const char *field, const char *expected, ...)
{
	va_list args;
	*e = (persist_error){.code = PERSIST_E_ARGUMENT, .removed = -1};
	snprintf(e->kind, sizeof e->kind, "%s", kinds[PERSIST_E_ARGUMENT]);
	snprintf(e->field, sizeof e->field, "%s", field);
	va_start(args, expected);
	vsnprintf(e->expected, sizeof e->expected, expected, args);
	va_end(args);
	snprintf(e->message, sizeof e->message, "%s: expected %s", field, e->expected);
}

static void take_text(struct span object, const char *name, char *to, size_t size)
{
	struct buf scratch = {0};
	struct span value, text;
	if (scan_member(object, name, &value) && scan_string(value, &scratch, &text))
		put(to, size, text);
	buf_free(&scratch);
}

static bool take_number(struct span object, const char *name, int64_t *number)
{
	struct span value;
	double real;
	return scan_member(object, name, &value) && scan_number(value, number, &real) == SCAN_INT;
}

void trouble_from_reply(persist_error *e, struct span object)
{
	struct span data;
	int64_t code = 0;
	enum fault_code known;
	*e = (persist_error){.removed = -1};
	if (!take_number(object, "code", &code) || code < INT32_MIN || code > INT32_MAX || code == 0)
		code = PERSIST_INTERNAL_ERROR;
	e->code = (int)code;
	e->outcome = code == PERSIST_OUTCOME_UNKNOWN ? PERSIST_UNKNOWN : PERSIST_DID_NOT_HAPPEN;
	if (fault_from_number(code, &known))
		snprintf(e->kind, sizeof e->kind, "%s", fault_kind(known));
	take_text(object, "message", e->message, sizeof e->message);
	if (!scan_member(object, "data", &data) || scan_kind(data) != SCAN_OBJECT)
		return;
	take_text(data, "kind", e->kind, sizeof e->kind);
	take_text(data, "field", e->field, sizeof e->field);
	take_text(data, "expected", e->expected, sizeof e->expected);
	take_text(data, "hint", e->hint, sizeof e->hint);
	if (!take_number(data, "removed", &e->removed))
		e->removed = -1;
}

int trouble_give(persist_error *to, const persist_error *e)
{
	if (to)
		*to = *e;
	return e->code;
}
