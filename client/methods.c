/* The methods of persist.h, one function each: parameters in, persist_call(), and what one wants of the result
 * out. */
#include "client/args.h"
#include "client/client.h"
#include "proto/rpc.h"

enum { JOB_ID_MAX = 160 };

/* Ends the parameters, and calls. */
static int finish(persist_client *c, const char *method, struct args *a, persist_result **result)
{
	if (result)
		*result = NULL;
	if (args_end(a) == 0)
		persist_call(c, method, persist_text_n(a->text.at, a->text.len), result, a->error);
	args_free(a);
	return a->error->code;
}

/* The change was made, but what is said of it cannot be told. */
static int refuse_result(persist_error *error, const char *method, const char *member)
{
	failure_set(error, PERSIST_E_PROTOCOL, PERSIST_UNKNOWN, "%s: the result has no %s", method, member);
	return error->code;
}

/* For results of which one number is of interest. */
static int finish_whole(persist_client *c, const char *method, struct args *a, const char *member,
                        int64_t *number)
{
	persist_result *r;
	int64_t found;

	if (finish(c, method, a, &r) != 0)
		return a->error->code;
	if (!result_whole(r, member, &found))
		refuse_result(a->error, method, member);
	else if (number)
		*number = found;
	persist_result_free(r);
	return a->error->code;
}

static int get(persist_client *c, const char *method, const char *name, const char *id, const char *fields,
               persist_result **record, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_given(&a, name, id);
	args_texts(&a, "fields", fields, true);
	return finish(c, method, &a, record);
}

static void add_options(struct args *a, const persist_save_options *options)
{
	if (!options)
		return;
	if (options->check_revision)
		args_whole(a, "if_revision", options->if_revision);
	args_texts(a, "fields", options->fields, true);
}

/* What the daemon's method has no parameter for it refuses by name. */
static void add_filter(struct args *a, const persist_list *f, bool updated)
{
	if (!f)
		return;
	args_texts(a, "status", f->status, false);
	args_texts(a, "type", f->type, false);
	args_texts(a, "kind", f->kind, false);
	args_texts(a, "run_id", f->run_id, false);
	args_text(a, updated ? "updated_after" : "created_after", f->after);
	args_text(a, updated ? "updated_before" : "created_before", f->before);
	if (f->limit != 0)
		args_whole(a, "limit", f->limit);
	if (f->offset != 0)
		args_whole(a, "offset", f->offset);
	args_text(a, "cursor", f->cursor);
	args_texts(a, "fields", f->fields, true);
	args_text(a, "order", f->order);
}

static int list(persist_client *c, const char *method, const persist_list *filter, bool updated,
                persist_result **page, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	add_filter(&a, filter, updated);
	return finish(c, method, &a, page);
}

static int count(persist_client *c, const char *method, const persist_list *filter, bool updated,
                 int64_t *total, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	add_filter(&a, filter, updated);
	return finish_whole(c, method, &a, "total", total);
}

/* ---- jobs */

int persist_job_save(persist_client *c, persist_value job, const persist_save_options *options,
                     persist_result **saved, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_value(&a, "job", job);
	add_options(&a, options);
	return finish(c, "job.save", &a, saved);
}

int persist_job_get(persist_client *c, const char *id, const char *fields, persist_result **job,
                    persist_error *error)
{
	return get(c, "job.get", "id", id, fields, job, error);
}

int persist_job_list(persist_client *c, const persist_list *filter, persist_result **page,
                     persist_error *error)
{
	return list(c, "job.list", filter, false, page, error);
}

int persist_job_count(persist_client *c, const persist_list *filter, int64_t *total, persist_error *error)
{
	return count(c, "job.count", filter, false, total, error);
}

static void add_progress(struct args *a, const char *id, double current, double total, const char *message)
{
	args_given(a, "id", id);
	args_open(a, "progress");
	args_real(a, "current", current);
	args_real(a, "total", total);
	args_text(a, "message", message);
	args_close(a);
}

int persist_job_update_progress(persist_client *c, const char *id, double current, double total,
                                const char *message, double *percentage, persist_error *error)
{
	persist_error mine;
	struct args a;
	persist_result *r;
	double found;

	args_begin(&a, failure_room(error, &mine));
	add_progress(&a, id, current, total, message);
	if (finish(c, "job.update_progress", &a, &r) != 0)
		return a.error->code;
	if (!result_real(r, "percentage", &found))
		refuse_result(a.error, "job.update_progress", "percentage");
	else if (percentage)
		*percentage = found;
	persist_result_free(r);
	return a.error->code;
}

/* Nobody would hear what the daemon says of it, so what it would refuse is refused here. */
static void check_progress(struct args *a, const char *id, double current, double total)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = id ? strspn(id, allowed) : 0;

	if (!id || id[len] || len == 0 || len > JOB_ID_MAX)
		args_refuse(a, "id", "[A-Za-z0-9_-]{1,160}", "not the id of a job");
	if (!(current >= 0))
		args_refuse(a, "current", "a number that is at least 0", "below 0 or no number");
	if (!(total >= 0))
		args_refuse(a, "total", "a number that is at least 0", "below 0 or no number");
}

int persist_job_progress(persist_client *c, const char *id, double current, double total, const char *message,
                         persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);
	struct args a;

	if (client_enter(c, USE_NOW, e) != 0)
		return e->code;
	args_begin_in(&a, &c->params, e);
	check_progress(&a, id, current, total);
	add_progress(&a, id, current, total, message);
	if (args_end(&a) == 0) {
		c->line.len = 0;
		rpc_request(&c->line, "job.update_progress", buf_as_span(&a.text), -1);
		engine_progress(&c->engine, span_of(id), buf_as_span(&c->line));
	}
	c->params = a.text;
	client_leave(c);
	return e->code;
}

int persist_job_delete(persist_client *c, const char *id, int64_t *removed, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_given(&a, "id", id);
	return finish_whole(c, "job.delete", &a, "removed", removed);
}

int persist_job_cleanup(persist_client *c, double days, bool dry_run, int64_t *removed, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	if (!(days < 0))
		args_real(&a, "days", days);
	if (dry_run)
		args_bool(&a, "dry_run", true);
	return finish_whole(c, "job.cleanup", &a, "removed", removed);
}

/* ---- runs */

int persist_run_save(persist_client *c, persist_value run, const persist_save_options *options,
                     persist_result **saved, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_members(&a, "run", run);
	add_options(&a, options);
	return finish(c, "run.create_or_update", &a, saved);
}

int persist_run_get(persist_client *c, const char *run_id, const char *fields, persist_result **run,
                    persist_error *error)
{
	return get(c, "run.get", "run_id", run_id, fields, run, error);
}

int persist_run_list(persist_client *c, const persist_list *filter, persist_result **page,
                     persist_error *error)
{
	return list(c, "run.list", filter, true, page, error);
}

int persist_run_count(persist_client *c, const persist_list *filter, int64_t *total, persist_error *error)
{
	return count(c, "run.count", filter, true, total, error);
}

int persist_run_find_by_meta(persist_client *c, const char *key, const char *value, const char *fields,
                             persist_result **run, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_given(&a, "key", key);
	args_given(&a, "value", value);
	args_texts(&a, "fields", fields, true);
	return finish(c, "run.find_by_meta", &a, run);
}

int persist_run_delete(persist_client *c, const char *run_id, bool keep_artifacts, int64_t *removed,
                       persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_given(&a, "run_id", run_id);
	if (keep_artifacts)
		args_bool(&a, "keep_artifacts", true);
	return finish_whole(c, "run.delete", &a, "removed", removed);
}

/* ---- artifacts */

int persist_artifact_save(persist_client *c, const char *run_id, const char *kind, persist_value payload,
                          persist_result **artifact, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_given(&a, "run_id", run_id);
	args_text(&a, "kind", kind);
	args_value(&a, "payload", payload);
	return finish(c, "artifact.save", &a, artifact);
}

int persist_artifact_read(persist_client *c, const char *id, persist_result **artifact_and_payload,
                          persist_error *error)
{
	return get(c, "artifact.read", "id", id, NULL, artifact_and_payload, error);
}

int persist_artifact_list(persist_client *c, const persist_list *filter, persist_result **page,
                          persist_error *error)
{
	return list(c, "artifact.list", filter, false, page, error);
}

int persist_artifact_delete(persist_client *c, const char *id, int64_t *removed, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	args_given(&a, "id", id);
	return finish_whole(c, "artifact.delete", &a, "removed", removed);
}

/* ---- the daemon */

int persist_ping(persist_client *c, persist_error *error)
{
	return persist_call(c, "server.ping", persist_none(), NULL, error);
}

int persist_flush(persist_client *c, int64_t *revision, persist_error *error)
{
	persist_error mine;
	struct args a;

	args_begin(&a, failure_room(error, &mine));
	return finish_whole(c, "server.flush", &a, "revision", revision);
}
