/* The methods of persist.h, one function each: parameters in, persist_call, and what one wants of the result out. */
#include "client/enter.h"
#include "client/held.h"
#include "client/parameters.h"
#include "client/trouble.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include <stdlib.h>

/* Ends the parameters and calls. */
static int call(persist_client *c, const char *method, struct parameters *p, persist_result **result,
                persist_error *error)
{
	persist_value params = parameters_end(p);
	int code;
	if (result)
		*result = NULL;
	if (p->error.code)
		code = trouble_give(error, &p->error);
	else
		code = persist_call(c, method, params, result, error);
	parameters_free(p);
	return code;
}

/* For results of which only one number is of interest. */
static int call_for(persist_client *c, const char *method, struct parameters *p, const char *member, double *real,
                    int64_t *whole, persist_error *error)
{
	persist_result *result;
	int code = call(c, method, p, &result, error);
	if (code)
		return code;
	const char *text = persist_result_member(result, member);
	int64_t n = 0;
	double d = 0;
	if (text)
		scan_number(span_of(text), &n, &d);
	if (whole)
		*whole = n;
	if (real)
		*real = d;
	persist_result_free(result);
	return 0;
}

static void save_options(struct parameters *p, const persist_save_options *o)
{
	if (!o)
		return;
	parameters_list(p, "fields", o->fields);
	if (o->check_revision)
		parameters_int(p, "if_revision", o->if_revision);
}

static int get(persist_client *c, const char *method, const char *name, const char *id, const char *fields,
               persist_result **record, persist_error *error)
{
	struct parameters p = {0};
	parameters_text(&p, name, id);
	parameters_list(&p, "fields", fields);
	return call(c, method, &p, record, error);
}

/* What the filter's members are called for each kind of record. */
static void filter(struct parameters *p, const persist_list *l, const char *after, const char *before)
{
	if (!l)
		return;
	parameters_words(p, "status", l->status);
	parameters_words(p, "type", l->type);
	parameters_words(p, "kind", l->kind);
	parameters_words(p, "run_id", l->run_id);
	parameters_text(p, after, l->after);
	parameters_text(p, before, l->before);
}

static void page(struct parameters *p, const persist_list *l)
{
	if (!l)
		return;
	if (l->limit)
		parameters_int(p, "limit", l->limit);
	if (l->offset)
		parameters_int(p, "offset", l->offset);
	parameters_text(p, "cursor", l->cursor);
	parameters_list(p, "fields", l->fields);
	parameters_text(p, "order", l->order);
}

/* ---- jobs */

int persist_job_save(persist_client *c, persist_value job, const persist_save_options *options, persist_result **saved,
                     persist_error *error)
{
	struct parameters p = {0};
	parameters_value(&p, "job", job);
	save_options(&p, options);
	return call(c, "job.save", &p, saved, error);
}

int persist_job_get(persist_client *c, const char *id, const char *fields, persist_result **job, persist_error *error)
{
	return get(c, "job.get", "id", id, fields, job, error);
}

int persist_job_list(persist_client *c, const persist_list *l, persist_result **found, persist_error *error)
{
	struct parameters p = {0};
	filter(&p, l, "created_after", "created_before");
	page(&p, l);
	return call(c, "job.list", &p, found, error);
}

int persist_job_count(persist_client *c, const persist_list *l, int64_t *total, persist_error *error)
{
	struct parameters p = {0};
	filter(&p, l, "created_after", "created_before");
	return call_for(c, "job.count", &p, "total", NULL, total, error);
}

static void progress(struct parameters *p, const char *id, double current, double total, const char *message)
{
	struct parameters inner = {0};
	parameters_text(p, "id", id);
	parameters_real(&inner, "current", current);
	parameters_real(&inner, "total", total);
	parameters_text(&inner, "message", message);
	persist_value value = parameters_end(&inner);
	if (inner.error.code && !p->error.code)
		p->error = inner.error;
	parameters_value(p, "progress", value);
	parameters_free(&inner);
}

int persist_job_update_progress(persist_client *c, const char *id, double current, double total, const char *message,
                                double *percentage, persist_error *error)
{
	struct parameters p = {0};
	progress(&p, id, current, total, message);
	return call_for(c, "job.update_progress", &p, "percentage", percentage, NULL, error);
}

/* At once where the socket takes it; else the newest value is held. */
static void send_progress(persist_client *c, const char *id, persist_value params)
{
	held_put(c, id, (struct span){params.text, params.len});
	engine_push(c);
	engine_settle(c);
}

int persist_job_progress(persist_client *c, const char *id, double current, double total, const char *message,
                         persist_error *error)
{
	struct parameters p = {0};
	persist_error e;
	progress(&p, id, current, total, message);
	persist_value params = parameters_end(&p);
	if (!id)
		trouble_argument(&p.error, "id", "a job's id");
	if (p.error.code || !enter(c, false, &e)) {
		int code = trouble_give(error, p.error.code ? &p.error : &e);
		parameters_free(&p);
		return code;
	}
	send_progress(c, id, params);
	leave(c);
	parameters_free(&p);
	return 0;
}

int persist_job_delete(persist_client *c, const char *id, int64_t *removed, persist_error *error)
{
	struct parameters p = {0};
	parameters_text(&p, "id", id);
	return call_for(c, "job.delete", &p, "removed", NULL, removed, error);
}

int persist_job_cleanup(persist_client *c, double days, bool dry_run, int64_t *removed, persist_error *error)
{
	struct parameters p = {0};
	if (!(days < 0))
		parameters_real(&p, "days", days);
	if (dry_run)
		parameters_true(&p, "dry_run");
	return call_for(c, "job.cleanup", &p, "removed", NULL, removed, error);
}

/* ---- runs */

int persist_run_save(persist_client *c, persist_value run, const persist_save_options *options, persist_result **saved,
                     persist_error *error)
{
	struct parameters p = {0};
	parameters_object(&p, "run", run);
	save_options(&p, options);
	return call(c, "run.create_or_update", &p, saved, error);
}

int persist_run_get(persist_client *c, const char *run_id, const char *fields, persist_result **run,
                    persist_error *error)
{
	return get(c, "run.get", "run_id", run_id, fields, run, error);
}

int persist_run_list(persist_client *c, const persist_list *l, persist_result **found, persist_error *error)
{
	struct parameters p = {0};
	filter(&p, l, "updated_after", "updated_before");
	page(&p, l);
	return call(c, "run.list", &p, found, error);
}

int persist_run_count(persist_client *c, const persist_list *l, int64_t *total, persist_error *error)
{
	struct parameters p = {0};
	filter(&p, l, "updated_after", "updated_before");
	return call_for(c, "run.count", &p, "total", NULL, total, error);
}

int persist_run_find_by_meta(persist_client *c, const char *key, const char *value, const char *fields,
                             persist_result **run, persist_error *error)
{
	struct parameters p = {0};
	parameters_text(&p, "key", key);
	parameters_text(&p, "value", value);
	parameters_list(&p, "fields", fields);
	return call(c, "run.find_by_meta", &p, run, error);
}

int persist_run_delete(persist_client *c, const char *run_id, bool keep_artifacts, int64_t *removed,
                       persist_error *error)
{
	struct parameters p = {0};
	parameters_text(&p, "run_id", run_id);
	if (keep_artifacts)
		parameters_true(&p, "keep_artifacts");
	return call_for(c, "run.delete", &p, "removed", NULL, removed, error);
}

/* ---- artifacts */

int persist_artifact_save(persist_client *c, const char *run_id, const char *kind, persist_value payload,
                          persist_result **artifact, persist_error *error)
{
	struct parameters p = {0};
	parameters_text(&p, "run_id", run_id);
	parameters_text(&p, "kind", kind);
	parameters_value(&p, "payload", payload);
	return call(c, "artifact.save", &p, artifact, error);
}

int persist_artifact_read(persist_client *c, const char *id, persist_result **artifact_and_payload,
                          persist_error *error)
{
	return get(c, "artifact.read", "id", id, NULL, artifact_and_payload, error);
}

int persist_artifact_list(persist_client *c, const persist_list *l, persist_result **found, persist_error *error)
{
	struct parameters p = {0};
	filter(&p, l, "created_after", "created_before");
	page(&p, l);
	return call(c, "artifact.list", &p, found, error);
}

int persist_artifact_delete(persist_client *c, const char *id, int64_t *removed, persist_error *error)
{
	struct parameters p = {0};
	parameters_text(&p, "id", id);
	return call_for(c, "artifact.delete", &p, "removed", NULL, removed, error);
}

/* ---- the daemon */

int persist_ping(persist_client *c, persist_error *error)
{
	return persist_call(c, "server.ping", persist_none(), NULL, error);
}

int persist_flush(persist_client *c, int64_t *revision, persist_error *error)
{
	struct parameters p = {0};
	return call_for(c, "server.flush", &p, "revision", NULL, revision, error);
}
