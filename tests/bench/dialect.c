#include "tests/bench/dialect.h"
#include <stdio.h>
#include <string.h>

const char *const work_names[WORK_COUNT] = {
	[WORK_SAVE] = "save",     [WORK_INDEXED] = "indexed",   [WORK_PRELOAD] = "preload", [WORK_GET] = "get",
	[WORK_LIST] = "list",     [WORK_PROGRESS] = "progress", [WORK_NOTIFY] = "notify",   [WORK_DELETE] = "delete",
	[WORK_FIRST] = "first",   [WORK_MIDDLE] = "middle",     [WORK_RARE] = "rare",       [WORK_COMMON] = "common",
	[WORK_PING] = "ping",
};

enum { PAGE = 50 };

/* ---- persistd */

static void begin_call(struct buf *out, const char *method)
{
	buf_printf(out, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":", method);
}

static void end_call(struct buf *out, const struct ask *ask)
{
	buf_printf(out, ",\"id\":%llu}\n", (unsigned long long)ask->id);
}

static void say_of_id(struct buf *out, const char *method, uint32_t number)
{
	begin_call(out, method);
	buf_text(out, "{\"id\":\"");
	sample_id(out, number);
	buf_char(out, '"');
}

static void say_list(struct buf *out, const struct ask *ask, const char *filter)
{
	begin_call(out, "job.list");
	buf_printf(out, "{%s\"limit\":%d}", filter, PAGE);
	end_call(out, ask);
}

static void say_list_of(struct buf *out, const struct ask *ask, int status)
{
	char filter[64];
	snprintf(filter, sizeof filter, "\"status\":\"%s\",", sample_statuses[status]);
	say_list(out, ask, filter);
}

static void say_progress(struct buf *out, const struct ask *ask, bool answered)
{
	say_of_id(out, "job.update_progress", ask->job.number);
	buf_text(out, ",\"progress\":");
	sample_progress(out, ask->job.variant);
	buf_char(out, '}');
	if (answered)
		end_call(out, ask);
	else
		buf_text(out, "}\n");
}

/* The notifications are about jobs of their own, not one job many times. */
static void say_notifications(struct buf *out, const struct ask *ask)
{
	struct ask one = *ask;
	for (uint32_t i = 1; i <= ask->burst; i++) {
		say_progress(out, &one, i == ask->burst);
		one.job.variant = one.job.variant * 1664525u + 1013904223u;
		one.job.number = (one.job.variant >> 3) % ask->records;
	}
}

static void say_save(struct buf *out, const struct ask *ask)
{
	begin_call(out, "job.save");
	buf_text(out, "{\"job\":");
	sample_job(out, &ask->job);
	buf_char(out, '}');
	end_call(out, ask);
}

static unsigned say_to_persistd(struct buf *out, const struct ask *ask)
{
	char filter[64];
	switch (ask->work) {
	case WORK_SAVE:
	case WORK_INDEXED:
	case WORK_PRELOAD:
		say_save(out, ask);
		break;
	case WORK_GET:
	case WORK_DELETE:
		say_of_id(out, ask->work == WORK_GET ? "job.get" : "job.delete", ask->job.number);
		buf_char(out, '}');
		end_call(out, ask);
		break;
	case WORK_LIST:
		say_list_of(out, ask, sample_status(ask->job.number, false));
		break;
	case WORK_FIRST:
		say_list(out, ask, "");
		break;
	case WORK_MIDDLE:
		snprintf(filter, sizeof filter, "\"offset\":%u,", ask->records / 2);
		say_list(out, ask, filter);
		break;
	case WORK_RARE:
		say_list(out, ask, "\"type\":\"calibration\",");
		break;
	case WORK_COMMON:
		say_list(out, ask, "\"status\":\"completed\",");
		break;
	case WORK_PROGRESS:
		say_progress(out, ask, true);
		break;
	case WORK_NOTIFY:
		say_notifications(out, ask);
		break;
	case WORK_PING:
		begin_call(out, "server.ping");
		buf_text(out, "{}");
		end_call(out, ask);
		break;
	case WORK_COUNT:
		return 0;
	}
	return 1;
}

/* ---- Redis */

static void begin_command(struct buf *out, const char *name, int arguments)
{
	buf_printf(out, "*%d\r\n$%zu\r\n%s\r\n", arguments + 1, strlen(name), name);
}

static void add_text(struct buf *out, const char *text)
{
	buf_printf(out, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void add_key(struct buf *out, const char *prefix, uint32_t number)
{
	buf_printf(out, "$%zu\r\n%s", strlen(prefix) + SAMPLE_ID_LEN, prefix);
	sample_id(out, number);
	buf_text(out, "\r\n");
}

static void add_bytes(struct buf *out, const struct buf *bytes)
{
	buf_printf(out, "$%zu\r\n", bytes->len);
	buf_add(out, bytes->at, bytes->len);
	buf_text(out, "\r\n");
}

static void add_status_key(struct buf *out, int status)
{
	char key[32];
	snprintf(key, sizeof key, "jobs:%s", sample_statuses[status]);
	add_text(out, key);
}

static void add_set(struct buf *out, const struct sample *job)
{
	struct buf record = {0};
	sample_record(&record, job);
	begin_command(out, "SET", 2);
	add_key(out, "job:", job->number);
	add_bytes(out, &record);
	buf_free(&record);
}

static void add_zadd(struct buf *out, const struct sample *job)
{
	char score[32];
	snprintf(score, sizeof score, "%lld", (long long)sample_created(job->number));
	begin_command(out, "ZADD", 3);
	add_status_key(out, sample_status(job->number, job->moved));
	add_text(out, score);
	add_key(out, "", job->number);
}

static unsigned say_indexed_save(struct buf *out, const struct sample *job)
{
	add_set(out, job);
	add_zadd(out, job);
	begin_command(out, "ZREM", 2);
	add_status_key(out, sample_status(job->number, !job->moved));
	add_key(out, "", job->number);
	return 3;
}

static unsigned newest_of(int status, uint32_t records, uint32_t *numbers)
{
	unsigned found = 0;
	for (uint32_t n = records; n > 0 && found < PAGE; n--)
		if (sample_status(n - 1, false) == status)
			numbers[found++] = n - 1;
	return found;
}

static unsigned say_page(struct buf *out, const struct ask *ask)
{
	uint32_t numbers[PAGE];
	int status = sample_status(ask->job.number, false);
	unsigned found = newest_of(status, ask->records, numbers);
	begin_command(out, "ZREVRANGE", 3);
	add_status_key(out, status);
	add_text(out, "0");
	add_text(out, "49");
	begin_command(out, "MGET", (int)found);
	for (unsigned i = 0; i < found; i++)
		add_key(out, "job:", numbers[i]);
	begin_command(out, "ZCARD", 1);
	add_status_key(out, status);
	return 3;
}

static unsigned say_redis_progress(struct buf *out, const struct ask *ask)
{
	struct buf progress = {0};
	sample_progress(&progress, ask->job.variant);
	begin_command(out, "SET", 2);
	add_key(out, "progress:", ask->job.number);
	add_bytes(out, &progress);
	buf_free(&progress);
	return 1;
}

static unsigned say_to_redis(struct buf *out, const struct ask *ask)
{
	switch (ask->work) {
	case WORK_SAVE:
		add_set(out, &ask->job);
		return 1;
	case WORK_INDEXED:
		return say_indexed_save(out, &ask->job);
	case WORK_PRELOAD:
		add_set(out, &ask->job);
		add_zadd(out, &ask->job);
		return 2;
	case WORK_GET:
		begin_command(out, "GET", 1);
		add_key(out, "job:", ask->job.number);
		return 1;
	case WORK_LIST:
		return say_page(out, ask);
	case WORK_PROGRESS:
		return say_redis_progress(out, ask);
	case WORK_PING:
		begin_command(out, "PING", 0);
		return 1;
	case WORK_NOTIFY:
	case WORK_DELETE:
	case WORK_FIRST:
	case WORK_MIDDLE:
	case WORK_RARE:
	case WORK_COMMON:
	case WORK_COUNT:
		break;
	}
	return 0;
}

/* ---- ovsdb-server */

/* It begins with what scatters, for ovsdb-server hashes its rows by the first 32 bits alone. */
static void add_uuid(struct buf *out, uint32_t number)
{
	buf_printf(out, "%08x-0000-4000-8000-%012x", (unsigned)(number * 2654435761u), number);
}

static void begin_operation(struct buf *out, const char *op)
{
	buf_printf(out, "{\"op\":\"%s\",\"table\":\"job\"", op);
}

static void add_where(struct buf *out, uint32_t number)
{
	buf_text(out, ",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"");
	add_uuid(out, number);
	buf_text(out, "\"]]]");
}

static void add_row(struct buf *out, const struct sample *job)
{
	struct buf record = {0};
	sample_record(&record, job);
	buf_text(out, ",\"row\":{\"id\":\"");
	sample_id(out, job->number);
	buf_printf(out, "\",\"status\":\"%s\",\"created_at\":%lld,\"record\":",
	           sample_statuses[sample_status(job->number, job->moved)], (long long)sample_created(job->number));
	buf_string(out, buf_as_span(&record));
	buf_text(out, "}}");
	buf_free(&record);
}

static void add_durable(struct buf *out)
{
	buf_text(out, ",{\"op\":\"commit\",\"durable\":true}");
}

static void add_inserts(struct buf *out, const struct ask *ask)
{
	struct sample job = ask->job;
	for (uint32_t i = 0; i < ask->burst && job.number < ask->records; i++, job.number++) {
		if (i > 0)
			buf_char(out, ',');
		begin_operation(out, "insert");
		buf_text(out, ",\"uuid\":\"");
		add_uuid(out, job.number);
		buf_char(out, '"');
		add_row(out, &job);
	}
}

static bool add_operations(struct buf *out, const struct ask *ask)
{
	switch (ask->work) {
	case WORK_SAVE:
	case WORK_INDEXED:
		begin_operation(out, "update");
		add_where(out, ask->job.number);
		add_row(out, &ask->job);
		add_durable(out);
		return true;
	case WORK_PRELOAD:
		add_inserts(out, ask);
		add_durable(out);
		return true;
	case WORK_GET:
		begin_operation(out, "select");
		add_where(out, ask->job.number);
		buf_text(out, ",\"columns\":[\"record\"]}");
		return true;
	case WORK_LIST:
		begin_operation(out, "select");
		buf_printf(out, ",\"where\":[[\"status\",\"==\",\"%s\"]],\"columns\":[\"record\"]}",
		           sample_statuses[sample_status(ask->job.number, false)]);
		return true;
	case WORK_PROGRESS:
		begin_operation(out, "update");
		add_where(out, ask->job.number);
		buf_printf(out, ",\"row\":{\"progress\":%u}}", ask->job.variant % 5000);
		return true;
	case WORK_NOTIFY:
	case WORK_DELETE:
	case WORK_FIRST:
	case WORK_MIDDLE:
	case WORK_RARE:
	case WORK_COMMON:
	case WORK_PING:
	case WORK_COUNT:
		break;
	}
	return false;
}

static unsigned say_to_ovsdb(struct buf *out, const struct ask *ask)
{
	buf_text(out, "{\"method\":\"transact\",\"params\":[\"bench\",");
	bool said = add_operations(out, ask);
	buf_printf(out, "],\"id\":%llu}", (unsigned long long)ask->id);
	return said ? 1 : 0;
}

/* ---- SQLite */

static unsigned say_to_sqlite(struct buf *out, const struct ask *ask)
{
	buf_add(out, ask, sizeof *ask);
	sample_id(out, ask->job.number);
	switch (ask->work) {
	case WORK_SAVE:
	case WORK_INDEXED:
	case WORK_PRELOAD:
		sample_record(out, &ask->job);
		return 1;
	case WORK_PROGRESS:
		sample_progress(out, ask->job.variant);
		return 1;
	case WORK_GET:
	case WORK_LIST:
		return 1;
	case WORK_NOTIFY:
	case WORK_DELETE:
	case WORK_FIRST:
	case WORK_MIDDLE:
	case WORK_RARE:
	case WORK_COMMON:
	case WORK_PING:
	case WORK_COUNT:
		break;
	}
	return 0;
}

const struct dialect *dialect_named(const char *name)
{
	static const struct dialect dialects[] = {
		{"persistd", REPLY_LINES, true, 1, say_to_persistd},
		{"echo", REPLY_LINES, false, 1, say_to_persistd},
		{"redis", REPLY_RESP, false, 1, say_to_redis},
		{"sqlite", REPLY_LINES, false, 1, say_to_sqlite},
		{"ovsdb", REPLY_OBJECTS, false, 200, say_to_ovsdb},
	};
	for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
		if (strcmp(dialects[i].name, name) == 0)
			return &dialects[i];
	return NULL;
}
