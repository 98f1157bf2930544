#include "daemon/setting.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

const struct setting settings_table[] = {
#define MEMBER(m) .offset = offsetof(struct settings, m)
	{"daemon", "socket", SETTING_PATH, MEMBER(socket), .argument = "PATH", .prose = "where clients connect"},
	{"daemon", "socket_mode", SETTING_MODE, MEMBER(socket_mode), .max = 0777, .fallback = "0660", .argument = "MODE",
	 .prose = "the socket's mode"},
	{"daemon", "socket_group", SETTING_GROUP, MEMBER(socket_group), .fallback = "", .argument = "GROUP",
	 .prose = "the socket's group; its members may write"},
	{"daemon", "state_dir", SETTING_PATH, MEMBER(state_dir), .argument = "DIR", .prose = "where records are kept"},
	{"daemon", "state_dir_mode", SETTING_DIR_MODE, MEMBER(state_dir_mode), .fallback = "0700",
	 .argument = "MODE", .prose = "the state directory's mode: 0700, 0750 or 0755"},
	{"daemon", "log_level", SETTING_LEVEL, MEMBER(log_level), .fallback = "info", .live = true, .argument = "LEVEL",
	 .prose = "error, warning, info or debug"},
	{"daemon", "sandbox", SETTING_SWITCH, MEMBER(sandbox), .fallback = "on", .argument = "SWITCH",
	 .prose = "on: the daemon gives up what it does not need"},
#define LIMIT(name, member, argument_, low, high, fallback_, prose_) \
	{"limits", name, SETTING_WHOLE, MEMBER(limits.member), low, high, fallback_, true, .argument = (argument_), \
	 .prose = (prose_)}
	LIMIT("max_line", line, "BYTES", 1024, 256 << 20, "16M", "longest request line"),
	LIMIT("max_reply", reply, "BYTES", 16384, 256 << 20, "16M", "longest reply line"),
	LIMIT("max_page", page, "BYTES", 4096, 128 << 20, "8M", "records in one list page"),
	LIMIT("max_connections", connections, "N", 1, 1000000, "4096", "connections at once"),
	LIMIT("max_calls", calls, "N", 1, 1000000, "1024", "calls in flight on one connection"),
	LIMIT("max_batch", batch_calls, "N", 1, 1000000, "16384", "calls in one JSON-RPC batch"),
	LIMIT("max_queued", queued, "BYTES", 4096, 1 << 30, "4M", "replies queued to a slow reader"),
	LIMIT("max_unfinished", unfinished, "BYTES", 65536, UINT64_C(64) << 30, "256M",
	      "unfinished long lines, all connections"),
	LIMIT("max_in_flight", in_flight, "BYTES", 65536, UINT64_C(64) << 30, "256M",
	      "calls in flight, all connections"),
	LIMIT("max_user_connections", user_connections, "N", 1, 1000000, "2048", "connections of one user"),
	LIMIT("max_user_calls", user_calls, "N", 1, 1000000, "16384", "calls in flight of one user"),
	LIMIT("max_user_bytes", user_bytes, "BYTES", 65536, UINT64_C(64) << 30, "128M",
	      "requests and replies held for one user"),
#define ROLE_OF(name, role_, prose_) \
	{"roles", name, SETTING_ROLE, .fallback = "", .live = true, .role = (role_), .argument = "WHO", .prose = (prose_)}
	ROLE_OF("role_admin", ROLE_ADMIN, "users and @groups that may do everything"),
	ROLE_OF("role_write", ROLE_WRITE, "those that may change records"),
	ROLE_OF("role_read", ROLE_READ, "those that may read; * is everyone"),
	ROLE_OF("role_none", ROLE_NONE, "those that may do nothing"),
#define KEEP_(name, member, fallback_, prose_) \
	{"retention", name, SETTING_DAYS, MEMBER(retention.member), .fallback = (fallback_), .live = true, \
	 .argument = "DAYS", .prose = (prose_)}
#define KEEP(name, member, prose_) KEEP_(name, member, "off", prose_)
#define KEEP_STATUS(name, member, prose_) KEEP_(name, member, "", prose_)
	KEEP("job_retention_days", job_days, "ended jobs are removed after so many days"),
	KEEP_STATUS("job_retention_days_completed", job_status_days[0], "completed jobs instead; off keeps them"),
	KEEP_STATUS("job_retention_days_failed", job_status_days[1], "the same for failed jobs"),
	KEEP_STATUS("job_retention_days_cancelled", job_status_days[2], "the same for cancelled jobs"),
	KEEP("run_retention_days", run_days, "ended runs and their artifacts are removed after so many days"),
	KEEP_STATUS("run_retention_days_succeeded", run_status_days[0], "succeeded runs instead; off keeps them"),
	KEEP_STATUS("run_retention_days_failed", run_status_days[1], "the same for failed runs"),
	KEEP_STATUS("run_retention_days_cancelled", run_status_days[2], "the same for cancelled runs"),
	{"retention", "max_jobs", SETTING_WHOLE, MEMBER(retention.max_jobs), 0, INT64_MAX, "0", true, .argument = "N",
	 .prose = "so many jobs are kept, the oldest ended ones go first; 0: any number"},
};
const int setting_count = sizeof settings_table / sizeof *settings_table;
static_assert(sizeof settings_table / sizeof *settings_table <= SETTINGS_MAX,
              "SETTINGS_MAX has to hold a place for each row");

/* ---- names */

const struct setting *setting_named(const char *key)
{
	for (int i = 0; i < setting_count; i++)
		if (strcmp(settings_table[i].key, key) == 0)
			return &settings_table[i];
	return NULL;
}

const struct setting *setting_near(const char *key)
{
	const char *names[SETTINGS_MAX + 1] = {0};
	for (int i = 0; i < setting_count; i++)
		names[i] = settings_table[i].key;
	const char *near = fault_did_you_mean(span_of(key), names);
	return near ? setting_named(near) : NULL;
}

bool setting_section(const char *section, const char **near)
{
	const char *names[SETTINGS_MAX + 1] = {0};
	int count = 0;
	for (int i = 0; i < setting_count; i++) {
		const char *name = settings_table[i].section;
		if (strcmp(name, section) == 0)
			return true;
		if (!count || strcmp(names[count - 1], name) != 0)
			names[count++] = name;
	}
	*near = fault_did_you_mean(span_of(section), names);
	return false;
}

void setting_flag(const struct setting *row, char out[SETTING_NAME])
{
	snprintf(out, SETTING_NAME, "--%s", row->key);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = '-';
}

void setting_variable(const struct setting *row, char out[SETTING_NAME])
{
	snprintf(out, SETTING_NAME, "PERSISTD_%s", row->key);
	for (char *c = out; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c += 'A' - 'a';
}

/* ---- texts become values */

static bool read_whole(const char *text, uint64_t *value)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno || end == text || text[0] < '0' || text[0] > '9')
		return false;
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	end += shift > 0;
	*value = (uint64_t)n << shift;
	return !*end && *value >> shift == n;
}

static bool read_days(const char *text, bool may_be_unset, double *days)
{
	char *end;
	if (strcmp(text, "off") == 0 || (may_be_unset && !text[0])) {
		*days = text[0] ? RETENTION_OFF : RETENTION_UNSET;
		return true;
	}
	*days = strtod(text, &end);
	return end != text && !*end && isfinite(*days) && *days >= 0;
}

static bool read_mode(const char *text, mode_t *mode)
{
	char *end;
	unsigned long n = strtoul(text, &end, 8);
	*mode = (mode_t)n;
	return end != text && !*end && text[0] >= '0' && text[0] <= '7' && n <= 07777;
}

static bool set_text(char **to, const char *text)
{
	free(*to);
	*to = mem_copy(text, strlen(text) + 1);
	return true;
}

static bool read_switch(const char *text, bool *on)
{
	*on = strcmp(text, "on") == 0;
	return *on || strcmp(text, "off") == 0;
}

struct refusal {
	char *why;
	size_t size;
};

/* Returns false for the caller to return. */
__attribute__((format(printf, 2, 3))) static bool refuse(const struct refusal *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(r->why, r->size, format, args);
	va_end(args);
	return false;
}

static bool set_whole(uint64_t *to, const struct setting *row, const char *text, const struct refusal *r)
{
	uint64_t whole;
	if (!read_whole(text, &whole) || whole < row->min || whole > row->max)
		return refuse(r, "expected a whole number from %" PRIu64 " to %" PRIu64
		                 " (K, M and G are powers of 1024)", row->min, row->max);
	*to = whole;
	return true;
}

static bool set_mode(mode_t *to, const struct setting *row, const char *text, const struct refusal *r)
{
	mode_t mode;
	bool good = read_mode(text, &mode);
	if (row->kind == SETTING_DIR_MODE && (!good || (mode != 0700 && mode != 0750 && mode != 0755)))
		return refuse(r, "expected 0700, 0750 or 0755");
	if (row->kind == SETTING_MODE && (!good || mode < row->min || mode > row->max))
		return refuse(r, "expected an octal mode from %04o to %04o", (unsigned)row->min, (unsigned)row->max);
	*to = mode;
	return true;
}

bool setting_apply(struct settings *s, const struct setting *row, const char *text, struct buf *unknown, char *why,
                   size_t why_size)
{
	void *to = (char *)s + row->offset;
	const struct refusal r = {why, why_size};
	switch (row->kind) {
	case SETTING_PATH: return text[0] ? set_text(to, text) : refuse(&r, "expected a path");
	case SETTING_GROUP:
		return !text[0] || getgrnam(text)
		           ? set_text(to, text)
		           : refuse(&r, "expected a group; this machine has none named %.64s", text);
	case SETTING_WHOLE: return set_whole(to, row, text, &r);
	case SETTING_MODE:
	case SETTING_DIR_MODE: return set_mode(to, row, text, &r);
	case SETTING_LEVEL: return log_level_from(text, to) || refuse(&r, "expected error, warning, info or debug");
	case SETTING_SWITCH: return read_switch(text, to) || refuse(&r, "expected on or off");
	case SETTING_DAYS:
		return read_days(text, !row->fallback[0], to) ||
		       refuse(&r, "expected a number of days, or off%s",
		              row->fallback[0] ? "" : ", or nothing: as the key for all statuses says");
	case SETTING_ROLE: return roles_add(&s->roles, row->role, text, unknown, why, why_size);
	}
	abort();
}

/* ---- values become texts */

static void show_roles(struct buf *out, const struct roles *r, enum role role)
{
	size_t start = out->len;
	for (size_t i = 0; i < r->count; i++) {
		const struct role_rule *rule = &r->rules[i];
		if (rule->role != role)
			continue;
		buf_text(out, out->len > start ? " " : "");
		if (rule->who == ROLE_EVERYONE)
			buf_char(out, '*');
		else
			buf_printf(out, "%s%u", rule->who == ROLE_GROUP ? "@" : "", rule->id);
	}
}

void setting_show(struct buf *out, const struct settings *s, const struct setting *row)
{
	const void *at = (const char *)s + row->offset;
	switch (row->kind) {
	case SETTING_PATH: case SETTING_GROUP: buf_text(out, *(char *const *)at); break;
	case SETTING_WHOLE: buf_uint(out, *(const uint64_t *)at); break;
	case SETTING_MODE: case SETTING_DIR_MODE: buf_printf(out, "%04o", *(const mode_t *)at); break;
	case SETTING_LEVEL: buf_text(out, log_level_name(*(const enum log_level *)at)); break;
	case SETTING_SWITCH: buf_text(out, *(const bool *)at ? "on" : "off"); break;
	case SETTING_DAYS:
		if (*(const double *)at == RETENTION_OFF)
			buf_text(out, "off");
		else if (*(const double *)at != RETENTION_UNSET)
			buf_printf(out, "%.15g", *(const double *)at);
		break;
	case SETTING_ROLE: show_roles(out, &s->roles, row->role); break;
	}
}

bool setting_same(const struct settings *a, const struct settings *b, const struct setting *row)
{
	struct buf one = {0}, other = {0};
	setting_show(&one, a, row);
	setting_show(&other, b, row);
	bool equal = span_is(buf_as_span(&one), buf_as_span(&other));
	buf_free(&one);
	buf_free(&other);
	return equal;
}

void setting_take(struct settings *to, const struct settings *from, const struct setting *row)
{
	void *here = (char *)to + row->offset;
	const void *there = (const char *)from + row->offset;
	assert(row->live);
	switch (row->kind) {
	case SETTING_WHOLE: memcpy(here, there, sizeof(uint64_t)); break;
	case SETTING_DAYS: memcpy(here, there, sizeof(double)); break;
	case SETTING_LEVEL: memcpy(here, there, sizeof(enum log_level)); break;
	case SETTING_ROLE: break; /* all of them together */
	case SETTING_PATH: case SETTING_GROUP: case SETTING_MODE: case SETTING_DIR_MODE: case SETTING_SWITCH:
		abort(); /* none is live */
	}
}
