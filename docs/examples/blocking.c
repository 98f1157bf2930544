/* Save a job, read it back, change it only if nobody else has, delete it. Records are JSON text here.
 *
 *	cc blocking.c $(pkg-config --cflags --libs persist) && ./a.out [SOCKET] */
#include <persist.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what, const persist_error *e)
{
	fprintf(stderr, "%s: %s\n", what, e->message);
	if (e->field[0])
		fprintf(stderr, "  %s must be %s\n", e->field, e->expected);
	if (e->hint[0])
		fprintf(stderr, "  hint: %s\n", e->hint);
	if (e->outcome == PERSIST_UNKNOWN)
		fprintf(stderr, "  it may have happened: look before you repeat it\n");
	return 1;
}

static int complete(persist_client *c, const char *id)
{
	persist_result *job;
	persist_error e;
	if (persist_job_get(c, id, "revision", &job, &e) != 0)
		return complain("get", &e);
	persist_save_options options = {0};
	options.check_revision = true;
	options.if_revision = strtoll(persist_result_member(job, "revision"), NULL, 10);
	persist_result_free(job);

	char text[128];
	snprintf(text, sizeof text, "{\"id\":\"%s\",\"status\":\"completed\"}", id);
	int code = persist_job_save(c, persist_text(text), &options, NULL, &e);
	if (code == PERSIST_CONFLICT)
		fprintf(stderr, "somebody else has changed %s: read it again\n", id);
	else if (code != 0)
		complain("save", &e);
	return code;
}

int main(int argc, char **argv)
{
	persist_client *c = persist_open(argc > 1 ? argv[1] : NULL);
	persist_result *saved = NULL;
	persist_error e;
	const char *job = "{\"id\":\"nightly\",\"type\":\"backtest\",\"status\":\"running\"}";
	if (persist_job_save(c, persist_text(job), NULL, &saved, &e) != 0)
		return complain("save", &e);
	printf("saved %s at revision %s\n", persist_result_member(saved, "id"),
	       persist_result_member(saved, "revision"));
	persist_result_free(saved);

	if (complete(c, "nightly") != 0)
		return 1;

	persist_result *read = NULL;
	if (persist_job_get(c, "nightly", "id,status", &read, &e) == PERSIST_NOT_FOUND)
		puts("there is no such job");
	else if (e.code != 0)
		return complain("get", &e);
	else
		puts(persist_result_text(read, NULL)); /* {"id":"nightly","status":"completed"} */
	persist_result_free(read);

	int64_t removed;
	if (persist_job_delete(c, "nightly", &removed, &e) != 0)
		return complain("delete", &e);
	printf("removed %d\n", (int)removed);
	persist_close(c);
	return 0;
}
