/* A hundred saves on their way at once: what arrives together is made durable together.
 *
 *	cc pipeline.c $(pkg-config --cflags --libs persist) && ./a.out [SOCKET] */
#include <persist.h>
#include <stdio.h>

enum { MANY = 100 };

static int failed(const persist_error *e)
{
	fprintf(stderr, "%s\n", e->message);
	return 1;
}

int main(int argc, char **argv)
{
	persist_client *c = persist_open(argc > 1 ? argv[1] : NULL);
	persist_error e;

	persist_pending *calls[MANY];
	for (int i = 0; i < MANY; i++) {
		char params[96];
		snprintf(params, sizeof params, "{\"job\":{\"id\":\"part-%d\",\"type\":\"data_refresh\"}}", i);
		calls[i] = persist_start(c, "job.save", persist_text(params), &e);
		if (!calls[i])
			return failed(&e);
	}
	int saved = 0, unknown = 0;
	for (int i = 0; i < MANY; i++) {
		int code = persist_wait(calls[i], NULL, &e);
		saved += code == 0;
		unknown += code != 0 && e.outcome == PERSIST_UNKNOWN;
	}
	printf("%d saved, %d unknown\n", saved, unknown);

	persist_close(c);
	return saved == MANY ? 0 : 1;
}
