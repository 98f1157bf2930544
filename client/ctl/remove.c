#include "client/ctl/remove.h"
#include "client/ctl/method_command.h"
#include "client/ctl/show.h"
#include "proto/scan.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

const struct flag remove_flags[] = {
	{.name = "dry-run", .letter = 'n', .prose = "Remove nothing, say what is there and would go."},
	{.name = NULL},
};

struct removal {
	uint64_t removed, artifacts;
	struct buf ids; /* of a dry run, with commas between */
};

static uint64_t number_of(struct span object, const char *name)
{
	struct span value;
	int64_t whole = 0;
	double real;

	if (!scan_member(object, name, &value) || scan_number(value, &whole, &real) != SCAN_INT || whole < 0)
		return 0;
	return (uint64_t)whole;
}

static enum exit_status count_artifacts(struct invocation *i, struct removal *r, struct span id)
{
	OWNED_BUF params = {0};
	persist_result *page;
	struct span reply;

	buf_printf(&params, "{\"run_id\":%.*s,\"limit\":1}", (int)id.len, id.at);
	enum exit_status status = session_call(&i->session, "artifact.list", buf_as_span(&params), &page);
	if (status != EXIT_OK)
		return status;
	reply.at = persist_result_text(page, &reply.len);
	r->artifacts += number_of(reply, "total");
	persist_result_free(page);
	return EXIT_OK;
}

/* An id that is not there is no error of the methods that delete. `id` is JSON. */
static enum exit_status look(struct invocation *i, struct removal *r, struct span id, bool keep_artifacts)
{
	OWNED_BUF params = {0};
	bool run = strcmp(i->command->noun, "run") == 0;
	persist_result *record;
	persist_error error;

	buf_printf(&params, "{\"%s\":%.*s,\"fields\":[\"id\"]}", run ? "run_id" : "id", (int)id.len, id.at);
	const char *method = run ? "run.get" : "job.get";
	if (persist_call(session_client(&i->session), method, persist_text_n(params.at, params.len), &record,
	                 &error) != 0)
		return error.code == PERSIST_NOT_FOUND ? EXIT_OK : session_report(&i->session, method, &error);
	persist_result_free(record);
	r->removed++;
	if (r->ids.len > 0)
		buf_char(&r->ids, ',');
	buf_span(&r->ids, id);
	return run && !keep_artifacts ? count_artifacts(i, r, id) : EXIT_OK;
}

/* `params` are what the method would get: one id, or many. */
static enum exit_status look_at_each(struct invocation *i, struct span params, void *context)
{
	enum exit_status status = EXIT_OK;
	struct span ids, id, keep;
	bool kept = scan_member(params, "keep_artifacts", &keep) && scan_kind(keep) == SCAN_TRUE;

	if (scan_member(params, "run_id", &id) || scan_member(params, "id", &id))
		return look(i, context, id, kept);
	if (!scan_member(params, "ids", &ids))
		return EXIT_OK;
	for (struct scan_iter it = scan_elements(ids); status == EXIT_OK && scan_next_element(&it, &id);)
		status = look(i, context, id, kept);
	return status;
}

static enum exit_status dry_run(struct invocation *i)
{
	struct removal r = {0};
	OWNED_BUF result = {0};
	enum exit_status status = method_for_each(i, look_at_each, &r), shown;

	if (status == EXIT_OK) {
		buf_printf(&result, "{\"removed\":%llu,\"ids\":[%.*s]", (unsigned long long)r.removed, (int)r.ids.len,
		           r.ids.len > 0 ? r.ids.at : "");
		if (strcmp(i->command->noun, "run") == 0)
			buf_printf(&result, ",\"artifacts\":%llu", (unsigned long long)r.artifacts);
		buf_char(&result, '}');
		shown = show_result(i, buf_as_span(&result));
		status = shown;
	}
	buf_free(&r.ids);
	return status;
}

static enum exit_status remove_each(struct invocation *i, struct span params, void *context)
{
	struct removal *r = context;
	persist_result *result;
	struct span reply;
	enum exit_status status = session_call(&i->session, i->command->method->name, params, &result);

	if (status != EXIT_OK)
		return status;
	reply.at = persist_result_text(result, &reply.len);
	r->removed += number_of(reply, "removed");
	persist_result_free(result);
	return EXIT_OK;
}

static enum exit_status remove_all(struct invocation *i)
{
	struct removal r = {0};
	OWNED_BUF result = {0};
	enum exit_status status = method_for_each(i, remove_each, &r), shown;

	if (status != EXIT_OK && r.removed == 0)
		return status;
	buf_printf(&result, "{\"removed\":%llu}", (unsigned long long)r.removed);
	shown = show_result(i, buf_as_span(&result));
	return status == EXIT_OK ? shown : status;
}

static bool takes_many(const struct invocation *i)
{
	return strcmp(i->command->noun, "job") == 0;
}

enum exit_status remove_run(struct invocation *i)
{
	bool dry = flags_find(i->given.lists, SPAN("dry-run")) && given_on(&i->given, "dry-run");
	enum exit_status status;

	if (dry)
		return dry_run(i);
	if (!takes_many(i))
		return remove_all(i);
	status = method_judge_ids(i);
	return status == EXIT_OK ? method_run(i) : status; /* all of them in one commit */
}
