#include "tests/client/fake.h"
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINES_MAX = 200000, SECONDS = 10 };

char fake_socket[96];
static char dir[64];
static int listener = -1, peer = -1;
static pthread_t thread;
static bool is_playing;
static const char **script;
static sem_t go;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t taken = PTHREAD_COND_INITIALIZER;
static char **lines; /* under the lock, as their number */
static unsigned line_count;

static char *in; /* what was read of the connection and is no line yet */
static size_t in_len, in_size;

/* ---- listening */

static void begin_to_listen(int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, fake_socket);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, backlog), 0);
}

static void stop_listening(void)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
	unlink(fake_socket);
}

static void accept_one(void)
{
	struct timeval patience = {.tv_sec = SECONDS};
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	peer = accept(listener, NULL, NULL);
	ck_assert_msg(peer >= 0, "nobody connected: %s", strerror(errno));
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	in_len = 0;
}

/* ---- reading */

/* False: the client has gone. */
static bool read_more(void)
{
	if (in_size - in_len < 65536)
		in = realloc(in, in_size += 1 << 20);
	ssize_t got = recv(peer, in + in_len, 65536, 0);
	ck_assert_msg(got >= 0 || errno == ECONNRESET, "nothing came: %s", strerror(errno));
	in_len += got > 0 ? (size_t)got : 0;
	return got > 0;
}

static bool take_line(void)
{
	size_t searched = 0;
	char *newline;
	while (!(newline = in_len ? memchr(in + searched, '\n', in_len - searched) : NULL)) {
		searched = in_len;
		if (!read_more())
			return false;
	}
	size_t len = (size_t)(newline - in);
	pthread_mutex_lock(&lock);
	ck_assert_uint_lt(line_count, LINES_MAX);
	lines[line_count++] = strndup(in, len);
	pthread_cond_broadcast(&taken);
	pthread_mutex_unlock(&lock);
	in_len -= len + 1;
	memmove(in, newline + 1, in_len);
	return true;
}

static void take_bytes(size_t count)
{
	while (in_len < count)
		ck_assert_msg(read_more(), "the client has gone");
	in_len -= count;
	memmove(in, in + count, in_len);
}

/* ---- answering */

static void send_all(const char *bytes, size_t len, size_t piece)
{
	while (len > 0) {
		ssize_t sent = send(peer, bytes, len < piece ? len : piece, MSG_NOSIGNAL);
		ck_assert_msg(sent > 0, "the client does not take it: %s", strerror(errno));
		bytes += sent;
		len -= (size_t)sent;
	}
}

/* As JSON text: of a batch, its first call's. */
static char *id_of(unsigned number)
{
	json_t *request = json_loads(fake_line(number), JSON_ALLOW_NUL, NULL);
	json_t *first = json_is_array(request) ? json_array_get(request, 0) : request;
	char *id = json_dumps(json_object_get(first, "id"), JSON_ENCODE_ANY);
	json_decref(request);
	ck_assert_msg(id, "line %u has no id", number);
	return id;
}

static void say(const char *text, size_t piece)
{
	char *whole;
	size_t len;
	FILE *to = open_memstream(&whole, &len);
	while (*text) {
		if (text[0] == '$' && text[1] >= '0' && text[1] <= '9') {
			char *end, *id = id_of((unsigned)strtoul(text + 1, &end, 10));
			fputs(id, to);
			free(id);
			text = end;
		} else {
			fputc(*text++, to);
		}
	}
	fclose(to);
	send_all(whole, len, piece);
	free(whole);
}

static void answer(const char *rest, const char *format)
{
	char *text, *after;
	unsigned number = (unsigned)strtoul(rest, &after, 10);
	ck_assert_int_eq(*after, ' ');
	ck_assert_int_gt(asprintf(&text, format, after + 1, number), 0);
	say(text, SIZE_MAX);
	free(text);
}

static json_t *reply_to(json_t *request, unsigned number)
{
	json_t *id = json_object_get(request, "id");
	return id ? json_pack("{s:s, s:{s:i}, s:O}", "jsonrpc", "2.0", "result", "served", (int)number, "id", id)
	          : NULL;
}

static void answer_last(void)
{
	unsigned number = line_count - 1;
	json_t *request = json_loads(lines[number], JSON_ALLOW_NUL, NULL), *reply = NULL, *one, *each;
	size_t i;
	if (json_is_array(request)) {
		reply = json_array();
		json_array_foreach(request, i, each)
			if ((one = reply_to(each, number)))
				json_array_append_new(reply, one);
	} else {
		reply = reply_to(request, number);
	}
	if (reply) {
		char *text = json_dumps(reply, JSON_COMPACT);
		send_all(text, strlen(text), SIZE_MAX);
		send_all("\n", 1, 1);
		free(text);
	}
	json_decref(reply);
	json_decref(request);
}

/* ---- the script */

static bool is(const char *step, const char *word, const char **rest)
{
	size_t len = strlen(word);
	if (strncmp(step, word, len) != 0 || (step[len] != ' ' && step[len]))
		return false;
	*rest = step + len + (step[len] == ' ');
	return true;
}

static void stop_and_go(const char *step)
{
	const char *rest;
	if (is(step, "deaf", &rest))
		stop_listening();
	else if (is(step, "listen", &rest))
		begin_to_listen(16);
	else if (is(step, "sleep", &rest))
		usleep((useconds_t)strtoul(rest, NULL, 10) * 1000);
	else if (is(step, "pause", &rest))
		sem_wait(&go);
	else
		ck_abort_msg("there is no step '%s'", step);
}

static void close_peer(void)
{
	close(peer);
	peer = -1;
}

static void do_step(const char *step)
{
	const char *rest;
	if (is(step, "accept", &rest))
		accept_one();
	else if (is(step, "line", &rest))
		ck_assert_msg(take_line(), "the client has gone");
	else if (is(step, "read", &rest))
		take_bytes(strtoul(rest, NULL, 10));
	else if (is(step, "say", &rest))
		say(rest, SIZE_MAX);
	else if (is(step, "drip", &rest))
		say(rest, 1);
	else if (is(step, "answer", &rest))
		answer(rest, "{\"jsonrpc\":\"2.0\",\"result\":%s,\"id\":$%u}\n");
	else if (is(step, "refuse", &rest))
		answer(rest, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%s,\"message\":\"no\"},\"id\":$%u}\n");
	else if (is(step, "serve", &rest))
		while (take_line())
			answer_last();
	else if (is(step, "close", &rest))
		close_peer();
	else
		stop_and_go(step);
}

static void *play(void *steps)
{
	for (const char *const *step = steps; *step; step++)
		do_step(*step);
	return NULL;
}

static void make_socket_path(void)
{
	strcpy(dir, "/tmp/persist-fake-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(fake_socket, sizeof fake_socket, "%s/socket", dir);
	lines = calloc(LINES_MAX, sizeof *lines);
	sem_init(&go, 0, 0);
}

static void start(void *(*function)(void *), const void *arg)
{
	ck_assert_int_eq(pthread_create(&thread, NULL, function, (void *)arg), 0);
	is_playing = true;
}

void fake_nowhere(void)
{
	make_socket_path();
}

void fake_play(const char *const *steps)
{
	size_t count = 0;
	while (steps[count])
		count++;
	script = calloc(count + 1, sizeof *script); /* a copy: the array ends with the block that it stands in */
	memcpy(script, steps, count * sizeof *script);
	make_socket_path();
	if (strcmp(steps[0], "deaf") != 0)
		begin_to_listen(16);
	start(play, script);
}

/* ---- a backlog without room */

static int waiting_room[64];
static unsigned waiting_count;

void fake_full(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	make_socket_path();
	begin_to_listen(0);
	strcpy(address.sun_path, fake_socket);
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			close(fd);
			return;
		}
		ck_assert_uint_lt(waiting_count, 64);
		waiting_room[waiting_count++] = fd;
	}
}

static void *serve_after_them(void *arg)
{
	for (unsigned i = 0; i < waiting_count; i++) {
		accept_one();
		close_peer();
		close(waiting_room[i]);
	}
	do_step("accept");
	do_step("serve");
	return arg;
}

void fake_make_room(void)
{
	start(serve_after_them, NULL);
}

/* ---- the test's side */

void fake_go(void)
{
	sem_post(&go);
}

void fake_await(unsigned count)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SECONDS;
	pthread_mutex_lock(&lock);
	while (line_count < count)
		ck_assert_msg(pthread_cond_timedwait(&taken, &lock, &until) == 0, "%u lines came instead of %u",
		              line_count, count);
	pthread_mutex_unlock(&lock);
}

void fake_end(void)
{
	if (is_playing)
		pthread_join(thread, NULL);
	stop_listening();
	if (peer >= 0)
		close(peer);
	free(script);
	rmdir(dir);
}

unsigned fake_count(const char *part)
{
	unsigned found = 0;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < line_count; i++)
		found += strstr(lines[i], part) != NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

const char *fake_line(unsigned number)
{
	pthread_mutex_lock(&lock);
	const char *line = number < line_count ? lines[number] : NULL;
	pthread_mutex_unlock(&lock);
	ck_assert_msg(line, "line %u has not come", number);
	return line;
}
