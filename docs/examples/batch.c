/* Several calls as one line, answered by one line.
 *
 *	cc batch.c $(pkg-config --cflags --libs persist) && ./a.out [SOCKET] */
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
	persist_error e;

	persist_batch *b = persist_batch_new(c);
	const char *sweep = "{\"run_id\":\"b-1\",\"kind\":\"sweep\"}";
	int run = persist_batch_add(b, "run.create_or_update", persist_text(sweep), &e);
	int missing = persist_batch_add(b, "run.get", persist_text("{\"run_id\":\"b-2\"}"), &e);
	int count = persist_batch_add(b, "run.count", persist_text("{\"kind\":\"sweep\"}"), &e);
	if (run < 0 || missing < 0 || count < 0 || persist_batch_run(b, &e) != 0)
		return failed(&e);

	persist_result *r; /* the batch's: freed with it */
	if (persist_batch_result(b, count, &r, &e) == 0)
		printf("sweeps: %s\n", persist_result_member(r, "total"));
	if (persist_batch_result(b, missing, &r, &e) == PERSIST_NOT_FOUND)
		printf("b-2: %s\n", e.kind);
	persist_batch_free(b);

	if (persist_run_delete(c, "b-1", false, NULL, &e) != 0)
		return failed(&e);
	persist_close(c);
	return 0;
}
