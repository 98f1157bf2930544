/* client: a connection to the daemon, in bytes, in lines and in calls.
 * Fails the running test as daemon.h says. */
#pragma once
#include "tests/integration/daemon.h"
#include <jansson.h>

struct client;

struct client *client_open(const struct daemon *d);
struct client *client_try_open(const struct daemon *d); /* NULL: refused */
int client_fd(const struct client *c);
void client_close(struct client *c);
void client_half_close(struct client *c);               /* no more requests */

/* Writes all of it, and keeps what arrives meanwhile. */
void client_write(struct client *c, const char *bytes, size_t len);
/* a line: \n is added */
__attribute__((format(printf, 2, 3))) void client_say(struct client *c, const char *format, ...);
/* Writes without reading, as much as fits within so many milliseconds: how many bytes. */
size_t client_push(struct client *c, const char *bytes, size_t len, int ms);

char *client_line(struct client *c);                     /* the next line, without \n */
char *client_line_within(struct client *c, int ms);      /* NULL: none came */
/* the daemon has closed, and there was nothing more to read */
bool client_ended(struct client *c);
json_t *client_reply(struct client *c);                  /* the next line as JSON */

/* One call, and its reply. `params` is a format of JSON text, NULL: none. */
__attribute__((format(printf, 3, 4))) json_t *client_call(struct client *c, const char *method,
                                                          const char *params, ...);
/* The same for a call that must fail with this code: the error object. */
__attribute__((format(printf, 4, 5))) json_t *client_refused(struct client *c, int code, const char *method,
                                                             const char *params, ...);
/* On a connection of its own. */
__attribute__((format(printf, 3, 4))) json_t *daemon_call(const struct daemon *d, const char *method,
                                                          const char *params, ...);

enum {
	PARSE_ERROR = -32700,
	INVALID_REQUEST = -32600,
	METHOD_NOT_FOUND = -32601,
	INVALID_PARAMS = -32602,
	NOT_FOUND = -32001,
	CONFLICT = -32002,
	NOT_DURABLE = -32003,
	TOO_LARGE = -32004,
	LIMIT = -32005,
	SHUTTING_DOWN = -32007,
};

/* Looking into JSON: "jobs.0.id". Missing is a failure. */
json_t *value_at(const json_t *root, const char *path);
bool has_value_at(const json_t *root, const char *path);
const char *text_at(const json_t *root, const char *path);
long long whole_at(const json_t *root, const char *path);
double real_at(const json_t *root, const char *path); /* an integer will do */
size_t count_at(const json_t *root, const char *path); /* members or elements */

json_t *json_parsed(const char *text);
/* equal, order of members aside */
void expect_json(const json_t *actual, const char *expected);
void expect_at(const json_t *root, const char *path, const char *expected);
void expect_text_at(const json_t *root, const char *path, const char *expected);
/* an extended regular expression */
void expect_pattern(const char *text, const char *pattern);
void expect_error(const json_t *reply, int code, const char *id);                 /* id as JSON text */
/* An error's data: its kind, and where not NULL, its field, and words that its hint has in it. */
void expect_fault(const json_t *error, const char *kind, const char *field, const char *hint);
