/* Progress out of a hot loop: a report costs about a system call, and never waits for the daemon.
 *
 *	cc progress.c $(pkg-config --cflags --libs persist) && ./a.out [SOCKET] */
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
	const char *job = "{\"id\":\"loop\",\"type\":\"optimization\",\"status\":\"running\"}";
	if (persist_job_save(c, persist_text(job), NULL, NULL, &e) != 0)
		return failed(&e);

	enum { STEPS = 100000 };
	double best = 1e300;
	for (int step = 0; step < STEPS; step++) {
		double tried = (step * 7919 % STEPS) / 1000.0; /* the work */
		if (tried < best)
			best = tried;
		persist_job_progress(c, "loop", step + 1, STEPS, "searching", NULL);
	}

	persist_result *r;
	if (persist_job_get(c, "loop", "progress", &r, &e) != 0) /* sees all that was reported before it */
		return failed(&e);
	puts(persist_result_text(r, NULL));
	persist_result_free(r);
	if (persist_job_delete(c, "loop", NULL, &e) != 0)
		return failed(&e);
	persist_close(c);
	return best == 0 ? 0 : 1;
}
