#include "tests/integration/client.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd;
	char *in;            /* received, from `taken` to `len` not handed out */
	size_t len, taken, room;
	bool ended;
	long long last_id;
};

struct client *client_try_open(const struct daemon *d)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client *c = calloc(1, sizeof *c);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->fd, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", d->socket);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
		close(c->fd);
		free(c);
		return NULL;
	}
	ck_assert_int_eq(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
	return c;
}

struct client *client_open(const struct daemon *d)
{
	struct client *c = client_try_open(d);
	ck_assert_msg(c, "cannot connect: %s", strerror(errno));
	return c;
}

int client_fd(const struct client *c)
{
	return c->fd;
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->in);
	free(c);
}

void client_half_close(struct client *c)
{
	ck_assert_int_eq(shutdown(c->fd, SHUT_WR), 0);
}

/* ---- bytes */

/* Takes what has arrived. */
static void receive(struct client *c)
{
	for (;;) {
		if (c->room - c->len < 65536) {
			c->room = c->room * 2 + (1 << 17);
			c->in = realloc(c->in, c->room);
		}
		ssize_t got = recv(c->fd, c->in + c->len, c->room - c->len, 0);
		if (got > 0) {
			c->len += (size_t)got;
			continue;
		}
		if (got == 0 || errno == ECONNRESET || errno == EPIPE)
			c->ended = true;
		else
			ck_assert_msg(errno == EAGAIN || errno == EINTR, "recv: %s", strerror(errno));
		return;
	}
}

void client_write(struct client *c, const char *bytes, size_t len)
{
	long long deadline = clock_ms() + DEADLINE_MS;
	while (len > 0) {
		ssize_t put = send(c->fd, bytes, len, MSG_NOSIGNAL);
		if (put > 0) {
			bytes += put;
			len -= (size_t)put;
			deadline = clock_ms() + DEADLINE_MS;
			continue;
		}
		ck_assert_msg(errno == EAGAIN || errno == EINTR, "send: %s", strerror(errno));
		struct pollfd ready = {.fd = c->fd, .events = POLLOUT | POLLIN};
		poll(&ready, 1, 100);
		if (ready.revents & POLLIN)
			receive(c);
		ck_assert_msg(clock_ms() < deadline, "the daemon does not read on");
	}
}

size_t client_push(struct client *c, const char *bytes, size_t len, int ms)
{
	size_t done = 0;
	for (long long deadline = clock_ms() + ms; done < len;) {
		ssize_t put = send(c->fd, bytes + done, len - done, MSG_NOSIGNAL);
		if (put > 0) {
			done += (size_t)put;
			deadline = clock_ms() + ms;
			continue;
		}
		ck_assert_msg(errno == EAGAIN || errno == EINTR, "send: %s", strerror(errno));
		if (clock_ms() > deadline)
			break;
		poll(&(struct pollfd){.fd = c->fd, .events = POLLOUT}, 1, 10);
	}
	return done;
}

void client_say(struct client *c, const char *format, ...)
{
	char *line;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&line, format, args);
	va_end(args);
	ck_assert_int_ge(len, 0);
	line[len] = '\n'; /* in the place of the NUL */
	client_write(c, line, (size_t)len + 1);
	free(line);
}

char *client_line_within(struct client *c, int ms)
{
	size_t searched = c->taken;
	long long deadline = clock_ms() + ms, left = ms;
	for (;;) {
		char *from = c->in ? c->in + searched : NULL;
		char *end = from ? memchr(from, '\n', c->len - searched) : NULL;
		if (end) {
			char *line = strndup(c->in + c->taken, (size_t)(end - c->in) - c->taken);
			ck_assert_msg(strlen(line) == (size_t)(end - c->in) - c->taken, "a reply with a NUL in it");
			c->taken = (size_t)(end - c->in) + 1;
			if (c->taken == c->len)
				c->taken = c->len = 0;
			return line;
		}
		searched = c->len;
		if (c->ended || left < 0)
			return NULL;
		poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, (int)left);
		receive(c);
		left = deadline - clock_ms();
		if (left == 0)
			left = -1;
	}
}

char *client_line(struct client *c)
{
	char *line = client_line_within(c, DEADLINE_MS);
	ck_assert_msg(line, "%s", c->ended ? "the daemon closed without a reply" : "no reply came");
	return line;
}

bool client_ended(struct client *c)
{
	char *line = client_line_within(c, DEADLINE_MS);
	ck_assert_msg(!line, "one more line: %s", line);
	return c->ended && c->taken == c->len;
}

/* ---- JSON */

json_t *json_parsed(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	ck_assert_msg(value, "no JSON (%s): %.300s", error.text, text);
	return value;
}

json_t *client_reply(struct client *c)
{
	char *line = client_line(c);
	json_t *reply = json_parsed(line);
	free(line);
	return reply;
}

static json_t *step(const json_t *root, const char *path, const char **rest)
{
	char name[200];
	size_t len = strcspn(path, ".");
	ck_assert_uint_lt(len, sizeof name);
	memcpy(name, path, len);
	name[len] = '\0';
	*rest = path[len] ? path + len + 1 : NULL;
	return json_is_array(root) ? json_array_get(root, strtoul(name, NULL, 10)) : json_object_get(root, name);
}

static json_t *find(const json_t *root, const char *path)
{
	json_t *value = (json_t *)root;
	for (const char *rest = path; value && rest && *rest;)
		value = step(value, rest, &rest);
	return value;
}

bool has_value_at(const json_t *root, const char *path)
{
	return find(root, path) != NULL;
}

json_t *value_at(const json_t *root, const char *path)
{
	json_t *value = find(root, path);
	ck_assert_msg(value, "no %s in %.600s", path, json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY));
	return value;
}

const char *text_at(const json_t *root, const char *path)
{
	json_t *value = value_at(root, path);
	ck_assert_msg(json_is_string(value), "%s is no string in %.600s", path, json_dumps(root, JSON_COMPACT));
	return json_string_value(value);
}

long long whole_at(const json_t *root, const char *path)
{
	json_t *value = value_at(root, path);
	ck_assert_msg(json_is_integer(value), "%s is no integer in %.600s", path, json_dumps(root, JSON_COMPACT));
	return json_integer_value(value);
}

double real_at(const json_t *root, const char *path)
{
	json_t *value = value_at(root, path);
	ck_assert_msg(json_is_number(value), "%s is no number in %.600s", path, json_dumps(root, JSON_COMPACT));
	return json_number_value(value);
}

size_t count_at(const json_t *root, const char *path)
{
	json_t *value = value_at(root, path);
	ck_assert_msg(json_is_array(value) || json_is_object(value), "%s is no container", path);
	return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

void expect_json(const json_t *actual, const char *expected)
{
	json_t *wanted = json_parsed(expected);
	ck_assert_msg(json_equal(wanted, actual), "expected %.1000s\n     got %.1000s", expected,
	              json_dumps(actual, JSON_COMPACT | JSON_ENCODE_ANY));
	json_decref(wanted);
}

void expect_at(const json_t *root, const char *path, const char *expected)
{
	expect_json(value_at(root, path), expected);
}

void expect_text_at(const json_t *root, const char *path, const char *expected)
{
	const char *actual = text_at(root, path);
	ck_assert_msg(strcmp(actual, expected) == 0, "%s: expected %s, got %s", path, expected, actual);
}

void expect_pattern(const char *text, const char *pattern)
{
	regex_t compiled;
	ck_assert_int_eq(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&compiled, text, 0, NULL, 0) == 0, "%s does not match %s", text, pattern);
	regfree(&compiled);
}

/* ---- calls */

static json_t *call(struct client *c, const char *method, const char *params, va_list args)
{
	char *text = NULL;
	long long id = ++c->last_id;
	if (params)
		ck_assert_int_ge(vasprintf(&text, params, args), 0);
	client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"%s\"%s%s}", id, method, text ? ",\"params\":" : "",
	           text ? text : "");
	free(text);
	json_t *reply = client_reply(c);
	ck_assert_msg(json_integer_value(json_object_get(reply, "id")) == id,
	              "the reply to another call than %lld: %.600s", id, json_dumps(reply, JSON_COMPACT));
	return reply;
}

static json_t *result_of(const json_t *reply, const char *method)
{
	json_t *error = json_object_get(reply, "error");
	ck_assert_msg(!error, "%s failed: %s", method, json_dumps(error, JSON_COMPACT));
	return value_at(reply, "result");
}

json_t *client_call(struct client *c, const char *method, const char *params, ...)
{
	va_list args;
	va_start(args, params);
	json_t *reply = call(c, method, params, args);
	va_end(args);
	json_t *result = json_incref(result_of(reply, method));
	json_decref(reply);
	return result;
}

json_t *client_refused(struct client *c, int code, const char *method, const char *params, ...)
{
	va_list args;
	va_start(args, params);
	json_t *reply = call(c, method, params, args);
	va_end(args);
	ck_assert_msg(!has_value_at(reply, "result"), "%s should be refused, got %.600s", method,
	              json_dumps(reply, JSON_COMPACT));
	ck_assert_msg(whole_at(reply, "error.code") == code, "%s should be refused with %d: %s", method, code,
	              json_dumps(reply, JSON_COMPACT));
	return value_at(reply, "error");
}

json_t *daemon_call(const struct daemon *d, const char *method, const char *params, ...)
{
	va_list args;
	struct client *c = client_open(d);
	va_start(args, params);
	json_t *reply = call(c, method, params, args);
	va_end(args);
	client_close(c);
	return result_of(reply, method);
}

void expect_error(const json_t *reply, int code, const char *id)
{
	ck_assert_msg(!has_value_at(reply, "result"), "a result, not an error: %.600s",
	              json_dumps(reply, JSON_COMPACT));
	expect_at(reply, "id", id);
	expect_text_at(reply, "jsonrpc", "2.0");
	ck_assert_msg(whole_at(reply, "error.code") == code, "expected %d: %.600s", code,
	              json_dumps(reply, JSON_COMPACT));
	ck_assert_uint_gt(strlen(text_at(reply, "error.message")), 0);
}

void expect_fault(const json_t *error, const char *kind, const char *field, const char *hint)
{
	char *all = json_dumps(error, JSON_COMPACT);
	expect_text_at(error, "data.kind", kind);
	if (field)
		ck_assert_msg(has_value_at(error, "data.field") && strcmp(text_at(error, "data.field"), field) == 0,
		              "expected field %s: %s", field, all);
	if (hint)
		ck_assert_msg(has_value_at(error, "data.hint") && strstr(text_at(error, "data.hint"), hint),
		              "expected a hint with \"%s\": %s", hint, all);
	free(all);
}
