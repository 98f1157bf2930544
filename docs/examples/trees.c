/* Records as jansson trees, in and out: a run with its artifact, found again by what its meta says.
 *
 *	cc trees.c $(pkg-config --cflags --libs persist jansson) && ./a.out [SOCKET] */
#include <jansson.h>
#include <persist.h>
#include <stdio.h>

static int failed(const persist_error *e)
{
	fprintf(stderr, "%s\n", e->message);
	return 1;
}

int main(int argc, char **argv)
{
	persist_client *c = persist_open(argc > 1 ? argv[1] : NULL);
	persist_result *r = NULL;
	persist_error e;

	json_t *run = json_pack("{s:s, s:s, s:s, s:{s:s}}", "run_id", "bt-1", "kind", "backtest",
	                        "status", "running", "meta", "job_id", "nightly");
	int code = persist_run_save(c, persist_json(run), NULL, NULL, &e);
	json_decref(run);
	if (code != 0)
		return failed(&e);

	json_t *equity = json_pack("{s:[f, f, f]}", "tail", 0.93, 3.1, 0.1);
	code = persist_artifact_save(c, "bt-1", "equity", persist_json(equity), NULL, &e);
	json_decref(equity);
	if (code != 0)
		return failed(&e);

	if (persist_run_find_by_meta(c, "job_id", "nightly", NULL, &r, &e) != 0)
		return failed(&e);
	json_t *found = persist_result_json(r); /* the result's; json_incref() it to keep it longer */
	printf("%s is %s\n", json_string_value(json_object_get(found, "id")),
	       json_string_value(json_object_get(found, "status")));
	persist_result_free(r);

	code = persist_callf(c, "run.list", &r, &e, "{s:[s,s], s:i, s:[s]}", "status", "queued", "running",
	                     "limit", 10, "fields", "id");
	if (code != 0)
		return failed(&e);
	printf("%d run\n", (int)json_integer_value(json_object_get(persist_result_json(r), "total")));
	persist_result_free(r);

	if (persist_run_delete(c, "bt-1", false, NULL, &e) != 0)
		return failed(&e);
	persist_close(c);
	return 0;
}
