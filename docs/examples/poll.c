/* In an event loop of one's own: one descriptor to watch, and callbacks.
 *
 *	cc poll.c $(pkg-config --cflags --libs persist) && ./a.out [SOCKET] */
#include <persist.h>
#include <poll.h>
#include <stdio.h>

static void on_saved(persist_client *c, persist_result *saved, const persist_error *e, void *arg)
{
	int *left = (int *)arg;
	(void)c;
	if (e)
		fprintf(stderr, "%s%s\n", e->message, e->outcome == PERSIST_UNKNOWN ? " (it may have happened)" : "");
	else
		printf("saved %s\n", persist_result_member(saved, "id"));
	--*left;
}

static int failed(const persist_error *e)
{
	fprintf(stderr, "%s\n", e->message);
	return 1;
}

int main(int argc, char **argv)
{
	persist_client *c = persist_open(argc > 1 ? argv[1] : NULL);
	persist_error e;
	int left = 0;

	static const char *const jobs[] = {"{\"job\":{\"id\":\"one\"}}", "{\"job\":{\"id\":\"two\"}}"};
	for (int i = 0; i < 2; i++) {
		if (persist_submit(c, "job.save", persist_text(jobs[i]), on_saved, &left, &e) != 0)
			return failed(&e);
		left++;
	}
	while (left > 0) {
		struct pollfd watched = {persist_fd(c), POLLIN, 0}; /* and whatever else the program waits for */
		if (poll(&watched, 1, -1) > 0)
			persist_process(c);
	}

	persist_close(c);
	return 0;
}
