/* In libuv's loop: a uv_poll_t on the client's descriptor is all that it takes.
 *
 *	cc libuv.c $(pkg-config --cflags --libs persist libuv) && ./a.out [SOCKET] */
#define _POSIX_C_SOURCE 200809L /* for uv.h */
#include <persist.h>
#include <stdio.h>
#include <uv.h>

static void on_readable(uv_poll_t *watch, int status, int events)
{
	persist_client *c = (persist_client *)watch->data;
	(void)events;
	if (status == 0 && persist_process(c) == 0)
		uv_poll_stop(watch); /* nothing is under way: the loop may end */
}

static void on_listed(persist_client *c, persist_result *page, const persist_error *e, void *arg)
{
	(void)c;
	(void)arg;
	if (e)
		fprintf(stderr, "%s\n", e->message);
	else
		printf("%s jobs\n", persist_result_member(page, "total"));
}

static int failed(const persist_error *e)
{
	fprintf(stderr, "%s\n", e->message);
	return 1;
}

int main(int argc, char **argv)
{
	persist_client *c = persist_open(argc > 1 ? argv[1] : NULL);
	uv_poll_t watch;
	uv_poll_init(uv_default_loop(), &watch, persist_fd(c));
	watch.data = c;
	uv_poll_start(&watch, UV_READABLE, on_readable);

	persist_error e;
	if (persist_submit(c, "job.list", persist_text("{\"limit\":10}"), on_listed, NULL, &e) != 0)
		return failed(&e);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);

	uv_close((uv_handle_t *)&watch, NULL);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	uv_loop_close(uv_default_loop());
	persist_close(c); /* after the handle: the descriptor is the client's */
	return 0;
}
