#include "client/ctl/list_shape.h"
#include "client/ctl/age.h"
#include "client/ctl/path.h"
#include "proto/scan.h"

static const struct list_column job_columns[] = {
	{.title = "ID", .path = "id"},
	{.title = "TYPE", .path = "type", .rank = 3, .least = 8},
	{.title = "STATUS", .path = "status"},
	{.title = "PROGRESS", .path = "progress", .rank = 4, .least = 8},
	{.title = "CREATED", .path = "created_at", .rank = 2},
	{.title = "TOOK", .path = LIST_TOOK, .rank = 6},
	{.title = "NOTE", .path = LIST_NOTE, .rank = 5, .least = 16},
	{.title = NULL},
};

static const struct list_column run_columns[] = {
	{.title = "ID", .path = "id"},
	{.title = "KIND", .path = "kind", .rank = 3, .least = 8},
	{.title = "STATUS", .path = "status"},
	{.title = "UPDATED", .path = "updated_at", .rank = 2},
	{.title = "TOOK", .path = LIST_TOOK, .rank = 5},
	{.title = "NOTE", .path = LIST_NOTE, .rank = 4, .least = 16},
	{.title = NULL},
};

static const struct list_column artifact_columns[] = {
	{.title = "ID", .path = "id"},
	{.title = "RUN", .path = "run_id", .rank = 4, .least = 12},
	{.title = "KIND", .path = "kind", .rank = 3, .least = 8},
	{.title = "SIZE", .path = "size_bytes", .rank = 1, .right = true},
	{.title = "CREATED", .path = "created_at", .rank = 2},
	{.title = NULL},
};

const struct list_shape *list_shape(enum table_id t)
{
	static const struct list_shape shapes[TABLE_COUNT] = {
		[TABLE_JOBS] = {
			.columns = job_columns,
			.fields = "id,type,status,progress,created_at,started_at,completed_at,error",
			.plain = LIST_PLAIN_JOBS,
			.meta = "metadata", .started_at = "started_at", .ended_at = "completed_at",
		},
		[TABLE_RUNS] = {
			.columns = run_columns,
			.fields = "id,kind,status,updated_at,started_at,finished_at,error",
			.plain = LIST_PLAIN_RUNS,
			.meta = "meta", .started_at = "started_at", .ended_at = "finished_at",
		},
		[TABLE_ARTIFACTS] = {
			.columns = artifact_columns,
			.fields = "id,run_id,kind,size_bytes,created_at",
			.plain = LIST_PLAIN_ARTIFACTS,
		},
	};

	return &shapes[t];
}

static bool is_running(struct span record)
{
	struct span status;
	return scan_member(record, "status", &status) && span_is(status, SPAN("\"running\""));
}

static void took(struct buf *out, const struct screen *s, const struct list_shape *shape, struct span record)
{
	int64_t started, ended;

	if (!shape->started_at || !cell_time(record, shape->started_at, &started))
		return;
	if (cell_time(record, shape->ended_at, &ended))
		age_length(out, ended - started);
	else if (is_running(record))
		age_length(out, s->now - started);
}

/* Of a traceback, the line that says what it was. */
static struct span last_line(struct span text)
{
	const char *end;

	while (text.len > 0 && strchr("\n\r\t ", text.at[text.len - 1]))
		text.len--;
	end = memrchr(text.at, '\n', text.len);
	if (!end)
		return text;
	return (struct span){end + 1, text.len - (size_t)(end + 1 - text.at)};
}

/* What a person wants to know next: why it failed, or what it is doing. */
static void note(struct buf *out, const struct screen *s, struct span record)
{
	static const char *const paths[] = {"error.message", "error.error", "error.type", "error",
	                                    "progress.message"};
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	struct span value, text;

	for (size_t p = 0; p < sizeof paths / sizeof *paths && out->len == 0; p++) {
		if (!path_find(record, paths[p], &value))
			continue;
		if (scan_string(value, &scratch, &text) && text.len > 0)
			screen_fit(out, last_line(text), s->utf8);
		else
			cell_show(out, s, "note", value);
	}
}

struct cell_look list_cell(struct buf *out, const struct screen *s, const struct list_shape *shape,
                           const char *path, struct span record)
{
	struct cell_look look = {.fraction = -1};
	struct span value = {0};

	if (strcmp(path, LIST_TOOK) == 0) {
		took(out, s, shape, record);
		return look;
	}
	if (strcmp(path, LIST_NOTE) == 0) {
		note(out, s, record);
		return look;
	}
	if (!path_find(record, path, &value))
		value = (struct span){0};
	return cell_show(out, s, path, value);
}
