#include "daemon/conn.h"
#include "daemon/dispatch.h"
#include "daemon/log.h"
#include "proto/frame.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	READ_SIZE = CONNS_INPUT,
	KEEP_SIZE = 64 << 10,         /* of the buffers of a quiet connection */
	READS_PER_CONNECTION = 2,     /* artifacts, each of which may be as large as a reply may be */
	LONG_LINE = 64 << 10,         /* an unfinished line above this counts against limits.unfinished */
	SLICE_CALLS = 128,            /* begun in one go before other connections have their turn */
	SLICE_MICROS = 1000,
	SLOW_LINE = 4096,             /* above this reading alone may take a while: the clock is looked at */
	PING_LINE = 64 << 10,         /* a line of who may only ask whether the daemon is there */
	USER_MICROS = 2000,           /* of a turn, for all connections of one user where there are other users */
};

struct conn {
	struct origin origin;         /* first */
	struct session session;
	struct conns *all;
	uv_pipe_t pipe;
	uv_write_t write;
	struct frame frame;
	struct bundle *bundle;        /* a batch whose calls are still being begun */
	struct buf out, writing;
	size_t written;               /* of `writing` */
	uint64_t unfinished;          /* counted in counters.unfinished_bytes */
	uint64_t queued;              /* counted in counters.queued_bytes */
	bool reading, ended, write_pending, closing, is_runnable, is_dirty, has_arrived;
	struct conn *next, *previous, *next_runnable, *next_dirty;
};

static void conn_close(struct conn *c);

static struct counters *counters(struct conn *c) { return &c->all->service->counters; }
static size_t queued(const struct conn *c) { return c->out.len + c->writing.len - c->written; }

static void mark_dirty(struct conn *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->next_dirty = c->all->dirty;
	c->all->dirty = c;
}

static void on_idle(uv_idle_t *idle);

static void mark_runnable(struct conn *c)
{
	if (c->is_runnable || c->closing)
		return;
	c->is_runnable = true;
	c->next_runnable = NULL;
	*c->all->runnable_end = c;
	c->all->runnable_end = &c->next_runnable;
	uv_idle_start(&c->all->idle, on_idle);
}

static void count_queued(struct conn *c)
{
	uint64_t now = queued(c);
	counters(c)->queued_bytes += now - c->queued;
	if (c->session.user)
		c->session.user->bytes += now - c->queued;
	c->queued = now;
}

/* Buffers go round: a connection has one only while it has something to say, mostly the one that was used
 * last and is still in the processor's cache. */
static void spare_give(struct conns *all, struct buf *b)
{
	b->len = 0;
	buf_trim(b, KEEP_SIZE);
	if (all->spare_count < CONNS_SPARE)
		all->spares[all->spare_count++] = *b;
	else
		buf_free(b);
	*b = (struct buf){0};
}

static struct buf *conn_reply_buffer(struct origin *o)
{
	struct conn *c = (struct conn *)o;
	if (!c->out.at && c->all->spare_count > 0)
		c->out = c->all->spares[--c->all->spare_count];
	return &c->out;
}

static void conn_replied(struct origin *o, bool notification)
{
	struct conn *c = (struct conn *)o;
	if (!notification)
		buf_char(&c->out, '\n');
	count_queued(c);
	mark_dirty(c); /* also where nothing was written: the connection may have waited for this call */
}

/* ---- reading */

static bool must_wait(struct conn *c)
{
	const struct limits *l = &c->all->service->limits;
	if (c->session.busy || c->session.reads >= READS_PER_CONNECTION || c->all->leaving)
		return true;
	if (queued(c) > l->queued) {
		counters(c)->paused_queued += c->reading;
		return true;
	}
	const struct allowance *a = limits_for(l, c->session.role);
	if (queued(c) && c->session.user && /* its own write wakes it */
	    (c->session.user->bytes > a->bytes || counters(c)->queued_bytes > a->in_flight)) {
		counters(c)->paused_queued += c->reading;
		return true;
	}
	if (c->session.calls >= l->calls) {
		counters(c)->paused_calls += c->reading;
		return true;
	}
	const struct user *u = c->session.user;
	if (c->session.calls && (c->session.bytes > l->queued || counters(c)->in_flight_bytes > a->in_flight ||
	                         u->calls >= a->calls || u->bytes > a->bytes)) {
		counters(c)->paused_in_flight += c->reading;
		return true;
	}
	return false;
}

static void fail_line(struct conn *c, enum fault_code code, const char *message, const char *hint)
{
	struct fault fault;
	fault_set(&fault, code, "%s", message);
	fault_hint(&fault, "%s", hint);
	origin_fail(c->all->service, &c->origin, (struct span){0}, &fault);
}

static void line_too_long(struct conn *c)
{
	char message[128];
	counters(c)->lines_too_long++;
	snprintf(message, sizeof message, "the line is longer than %zu bytes and was skipped", c->frame.limit);
	fail_line(c, FAULT_TOO_LARGE, message,
	          c->session.role == ROLE_NONE
	                  ? "an administrator gives roles to users and groups in persistd.conf, [roles]; with the role none "
	                    "long lines are not read"
	                  : "send less in one call; large results belong into artifacts, in several where one is too large");
}

/* True: something was done and there may be more. */
static bool conn_step(struct conn *c)
{
	if (c->bundle) {
		if (!bundle_step(c->bundle))
			c->bundle = NULL;
		return true;
	}
	struct span line;
	switch (frame_next(&c->frame, &line)) {
	case FRAME_LINE:
		c->bundle = dispatch_line(c->all->service, &c->origin, line);
		store_flush_early(c->all->service->store);
		if (line.len > SLOW_LINE)
			service_look(c->all->service);
		return true;
	case FRAME_TOO_LONG:
		line_too_long(c);
		return true;
	case FRAME_MORE:
		return false;
	}
	abort();
}

static void hold_unfinished(struct conn *c, uint64_t now)
{
	counters(c)->unfinished_bytes += now - c->unfinished;
	if (c->session.user)
		c->session.user->bytes += now - c->unfinished;
	c->unfinished = now;
}

static void count_unfinished(struct conn *c)
{
	size_t pending = frame_pending(&c->frame);
	uint64_t now = pending > LONG_LINE ? pending : 0;
	hold_unfinished(c, now);
	const struct allowance *a = limits_for(&c->all->service->limits, c->session.role);
	bool all = counters(c)->unfinished_bytes > a->unfinished;
	if (now && (all || (c->session.user && c->session.user->bytes > a->bytes))) {
		frame_discard(&c->frame);
		hold_unfinished(c, 0);
		counters(c)->unfinished_dropped++;
		fail_line(c, FAULT_LIMIT,
		          all ? "too many bytes of unfinished lines are held for all connections together; this line "
		                "was skipped"
		              : "too many bytes are held for all connections of your user together; this line was "
		                "skipped",
		          "send the line again later");
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *to)
{
	struct conn *c = handle->data;
	(void)suggested;
	size_t got;
	if (c->has_arrived)
		frame_keep(&c->frame); /* more came before its turn: so many are ready that libuv polls again */
	if (frame_pending(&c->frame) == 0) { /* mostly: whole lines come, and nothing need be kept */
		to->base = c->all->input + c->all->input_used;
		to->len = CONNS_INPUT;
		return;
	}
	to->base = frame_room(&c->frame, READ_SIZE, &got);
	to->len = got;
}

static void conn_run(struct conn *c);
static void conn_write_now(struct conn *c);

static void conn_have_turn(struct conn *c)
{
	conn_run(c);
	frame_keep(&c->frame);
	conn_write_now(c);
}

static void run_arrived(struct conns *all)
{
	struct span unread[AHEAD_LINES];
	unsigned count = 0;
	for (unsigned i = 0; i < all->arrived_count; i++)
		if (all->arrived[i])
			unread[count++] = frame_unread(&all->arrived[i]->frame);
	ahead_look_at_each(all->service->store, unread, count);
	for (unsigned i = 0; i < all->arrived_count; i++) {
		struct conn *c = all->arrived[i];
		if (!c)
			continue;
		c->has_arrived = false;
		conn_have_turn(c);
	}
	all->arrived_count = 0;
	all->input_used = 0;
}

static void on_check(uv_check_t *check)
{
	run_arrived(check->data);
}

/* It waits for others, so that what they ask for is looked for together. */
static void conn_arrives(struct conn *c, size_t bytes)
{
	struct conns *all = c->all;
	c->has_arrived = true;
	all->arrived[all->arrived_count++] = c;
	all->input_used += bytes;
	if (all->arrived_count == AHEAD_LINES || all->input_used > CONNS_INPUT)
		run_arrived(all);
}

static void forget_arrived(struct conn *c)
{
	for (unsigned i = 0; i < c->all->arrived_count; i++)
		if (c->all->arrived[i] == c)
			c->all->arrived[i] = NULL;
	frame_keep(&c->frame);
}

static void on_end(struct conn *c, ssize_t why)
{
	if (c->has_arrived)
		run_arrived(c->all);
	if (c->closing)
		return;
	uv_read_stop((uv_stream_t *)&c->pipe);
	c->reading = false;
	if (why != UV_EOF) {
		conn_close(c);
		return;
	}
	c->ended = true;
	frame_end(&c->frame);
	conn_have_turn(c);
}

/* libuv reads again at once where a read filled its buffer, so that one does not wait. */
static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	if (bytes == 0)
		return;
	if (bytes < 0) {
		on_end(c, bytes);
		return;
	}
	counters(c)->bytes_in += (uint64_t)bytes;
	if (buf->base != c->all->input + c->all->input_used) {
		frame_filled(&c->frame, (size_t)bytes);
		if (!c->has_arrived)
			conn_have_turn(c);
		return;
	}
	frame_lend(&c->frame, buf->base, (size_t)bytes);
	if (bytes < CONNS_INPUT)
		conn_arrives(c, (size_t)bytes);
	else
		conn_have_turn(c);
}

static void read_on(struct conn *c, bool on)
{
	if (on == c->reading || c->ended || c->closing)
		return;
	c->reading = on;
	if (on)
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->pipe);
}

/* Looks at the lines that come next, when those that it has seen have had their turn. `left`: unread bytes at that
 * moment. */
static void look_ahead(struct conn *c, size_t *left)
{
	struct span unread = frame_unread(&c->frame);
	if (unread.len && unread.len <= *left) {
		size_t seen = ahead_look(c->all->service->store, unread);
		*left = seen ? unread.len - seen : 0;
	}
}

static void conn_slice(struct conn *c, uint64_t begun)
{
	size_t unseen = SIZE_MAX;
	bool more = true;
	for (int i = 0; more && !must_wait(c); i++) {
		if (i >= SLICE_CALLS || c->all->service->clock - begun > SLICE_MICROS) {
			mark_runnable(c);
			read_on(c, false);
			return;
		}
		look_ahead(c, &unseen);
		more = conn_step(c);
	}
	if (!c->bundle)
		count_unfinished(c);
	read_on(c, !more);
	if (!more)
		mark_dirty(c); /* an ended connection closes once all is said */
}

/* Many connections are no claim to more of the loop than others have. */
static bool user_had_its_time(const struct conn *c)
{
	struct user *u = c->session.user;
	if (!u || users_count(&c->all->service->users) == 1)
		return false;
	if (u->turn != c->all->turn)
		u->micros = 0;
	u->turn = c->all->turn;
	return u->micros >= USER_MICROS;
}

/* Goes on with what the connection has sent, for a slice of time, then lets others have theirs. */
static void conn_run(struct conn *c)
{
	uint64_t begun = service_look(c->all->service);
	if (user_had_its_time(c)) {
		mark_runnable(c);
		read_on(c, false);
		return;
	}
	conn_slice(c, begun);
	if (c->session.user)
		c->session.user->micros += c->all->service->clock - begun;
}

/* Those whose user has had its time stay before those that have run: in the end each has its turn. */
static void on_idle(uv_idle_t *idle)
{
	struct conns *all = idle->data;
	struct conn *list = all->runnable, *kept = NULL, **kept_end = &kept;
	all->runnable = NULL;
	all->runnable_end = &all->runnable;
	while (list) {
		struct conn *c = list;
		list = c->next_runnable;
		if (user_had_its_time(c)) {
			*kept_end = c;
			kept_end = &c->next_runnable;
			continue;
		}
		c->is_runnable = false;
		conn_run(c);
		conn_write_now(c);
	}
	*kept_end = all->runnable;
	if (kept && !all->runnable)
		all->runnable_end = kept_end;
	all->runnable = kept;
	if (!all->runnable)
		uv_idle_stop(idle);
}

/* ---- writing */

static void writing_done(struct conn *c)
{
	c->written = 0;
	spare_give(c->all, &c->writing);
}

static void conn_write(struct conn *c);

static void on_written(uv_write_t *request, int status)
{
	struct conn *c = request->data;
	c->write_pending = false;
	if (c->closing)
		return;
	if (status < 0) {
		conn_close(c);
		return;
	}
	writing_done(c);
	count_queued(c);
	mark_dirty(c);
}

static bool has_more_to_say(const struct conn *c)
{
	return c->session.calls || queued(c) || c->write_pending;
}

static bool nothing_outstanding(const struct conn *c)
{
	return !has_more_to_say(c) && !c->session.bundles && !c->is_runnable;
}

static void conn_write(struct conn *c)
{
	if (c->out.at && !c->out.len)
		spare_give(c->all, &c->out);
	if (!c->write_pending && c->out.len) {
		assert(!c->writing.at);
		c->writing = c->out;
		c->out = (struct buf){0};
		counters(c)->bytes_out += c->writing.len;
		uv_buf_t part = {.base = c->writing.at, .len = c->writing.len};
		int sent = uv_try_write((uv_stream_t *)&c->pipe, &part, 1);
		if (sent < 0 && sent != UV_EAGAIN) {
			conn_close(c);
			return;
		}
		c->written = sent > 0 ? (size_t)sent : 0;
		if (c->written == c->writing.len) {
			writing_done(c);
		} else {
			part = (uv_buf_t){.base = c->writing.at + c->written, .len = c->writing.len - c->written};
			c->write.data = c;
			c->write_pending = true;
			if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &part, 1, on_written) < 0) {
				c->write_pending = false;
				conn_close(c);
				return;
			}
		}
	}
	count_queued(c);
	if (!c->reading && !c->is_runnable && !must_wait(c) &&
	    (!c->ended || frame_pending(&c->frame) || c->bundle))
		mark_runnable(c);
	else if (c->ended && nothing_outstanding(c))
		conn_close(c);
}

/* At the end of a connection's slice, not of the turn: what it is told is still in the cache. */
static void conn_write_now(struct conn *c)
{
	if (!c->closing && c->out.len)
		conn_write(c);
}

void conns_write(struct conns *all)
{
	all->turn++;
	while (all->dirty) {
		struct conn *c = all->dirty;
		all->dirty = c->next_dirty;
		c->is_dirty = false;
		if (!c->closing)
			conn_write(c);
	}
}

/* ---- opening and closing */

static void remove_runnable(struct conn *c)
{
	struct conn **place = &c->all->runnable;
	while (*place != c)
		place = &(*place)->next_runnable;
	*place = c->next_runnable;
	if (!*place)
		c->all->runnable_end = place;
}

static void remove_dirty(struct conn *c)
{
	struct conn **place = &c->all->dirty;
	while (*place != c)
		place = &(*place)->next_dirty;
	*place = c->next_dirty;
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;
	frame_free(&c->frame);
	buf_free(&c->out);
	buf_free(&c->writing);
	free(c);
}

/* Its calls go on to their ends; nobody hears of them. */
static void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	c->reading = false;
	counters(c)->connections_open--;
	hold_unfinished(c, 0);
	counters(c)->queued_bytes -= c->queued;
	if (c->session.user)
		c->session.user->bytes -= c->queued;
	c->queued = 0;
	c->bundle = NULL;
	dispatch_detach(&c->session);
	origin_detach(&c->origin);
	if (c->session.user)
		c->session.user->connections--;
	users_unref(&c->all->service->users, c->session.user);
	c->session.user = NULL;
	if (c->has_arrived)
		forget_arrived(c);
	if (c->is_runnable)
		remove_runnable(c);
	if (c->is_dirty)
		remove_dirty(c);
	if (c->previous)
		c->previous->next = c->next;
	else
		c->all->all = c->next;
	if (c->next)
		c->next->previous = c->previous;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void conn_link(struct conn *c)
{
	c->next = c->all->all;
	if (c->next)
		c->next->previous = c;
	c->all->all = c;
	counters(c)->connections_open++;
	counters(c)->connections_accepted++;
}

/* What it has sent is dropped: a socket that closes with something unread resets, and a client may then not look
 * at what it was told. After the shutdown no more can come. */
static void conn_drain(struct conn *c)
{
	char dropped[4096];
	int fd;
	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0)
		return;
	shutdown(fd, SHUT_RD);
	while (recv(fd, dropped, sizeof dropped, MSG_DONTWAIT) > 0)
		;
}

/* Over the limit: said in one line, so that the client knows why. At once, so that a burst of these takes no
 * descriptors from the others and from the disk. */
static void conn_refuse(struct conn *c, uint64_t limit, const char *who, const char *raise)
{
	counters(c)->connections_refused++;
	c->ended = true;
	char message[128], hint[128];
	snprintf(message, sizeof message, "%s %llu connections open, which is the limit", who,
	         (unsigned long long)limit);
	snprintf(hint, sizeof hint, "close idle connections, or %s", raise);
	fail_line(c, FAULT_LIMIT, message, hint);
	log_limited(LOG_LEVEL_WARNING, "a connection of uid %u was refused: %s %llu open already",
	            (unsigned)c->session.user->uid, who, (unsigned long long)limit);
	conn_drain(c);
	conn_write(c);
}

/* A long line is judged in one go, which takes the loop's time whatever comes of it. */
static void conn_gets_role(struct conn *c, const struct peer *peer)
{
	const struct service *s = c->all->service;
	c->session.role = roles_of(s->roles, peer, s->socket_group);
	c->frame.limit = c->session.role == ROLE_NONE && s->limits.line > PING_LINE ? PING_LINE : s->limits.line;
}

/* Who it is, and what it may do: settled once, when it connects. */
static bool conn_know(struct conn *c)
{
	struct service *s = c->all->service;
	struct peer peer;
	int fd;
	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 || !peer_of(fd, &peer)) {
		log_limited(LOG_LEVEL_WARNING, "a connection was closed: the system does not say whose it is: %s",
		            strerror(errno));
		return false;
	}
	c->session.user = users_ref(&s->users, peer.uid);
	c->session.user->connections++;
	conn_gets_role(c, &peer);
	peer_free(&peer);
	return true;
}

void conns_accept(struct conns *all, uv_stream_t *listener)
{
	struct conn *c = mem_zero(sizeof *c);
	c->all = all;
	c->origin = (struct origin){.session = &c->session, .reply_buffer = conn_reply_buffer,
	                            .replied = conn_replied};
	frame_init(&c->frame, all->service->limits.line);
	uv_pipe_init(all->loop, &c->pipe, 0);
	c->pipe.data = c;
	conn_link(c);
	int failed = uv_accept(listener, (uv_stream_t *)&c->pipe);
	if (failed) {
		log_limited(LOG_LEVEL_WARNING, "accepting a connection failed: %s", uv_strerror(failed));
		conn_close(c);
		return;
	}
	if (!conn_know(c)) {
		conn_close(c);
		return;
	}
	const struct allowance *a = limits_for(&all->service->limits, c->session.role);
	if (counters(c)->connections_open > a->all_connections)
		conn_refuse(c, a->all_connections, "the daemon has", "raise max_connections");
	else if (c->session.user->connections > a->connections)
		conn_refuse(c, a->connections, "your user has",
		            "raise max_user_connections (and max_connections, where that leaves no room for it)");
	else
		read_on(c, true);
}

void conns_init(struct conns *all, struct service *s, uv_loop_t *loop)
{
	*all = (struct conns){.service = s, .loop = loop, .turn = 1};
	all->runnable_end = &all->runnable;
	uv_idle_init(loop, &all->idle);
	all->idle.data = all;
	uv_check_init(loop, &all->check);
	all->check.data = all;
	uv_check_start(&all->check, on_check);
}

void conns_roles_changed(struct conns *all)
{
	for (struct conn *c = all->all, *next; c; c = next) {
		struct peer peer;
		int fd;
		next = c->next;
		if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 || !peer_of(fd, &peer)) {
			conn_close(c); /* nobody may keep what cannot be judged */
			continue;
		}
		conn_gets_role(c, &peer);
		peer_free(&peer);
	}
}

bool conns_quiet(const struct conns *all)
{
	for (const struct conn *c = all->all; c; c = c->next)
		if (has_more_to_say(c) || c->session.bundles)
			return false;
	return true;
}

void conns_leave(struct conns *all)
{
	all->leaving = true;
	for (struct conn *c = all->all; c; c = c->next)
		read_on(c, false);
}

bool conns_silent(const struct conns *all)
{
	for (const struct conn *c = all->all; c; c = c->next)
		if (has_more_to_say(c))
			return false;
	return true;
}

void conns_close(struct conns *all)
{
	while (all->all)
		conn_close(all->all);
	while (all->spare_count > 0)
		buf_free(&all->spares[--all->spare_count]);
	uv_close((uv_handle_t *)&all->idle, NULL);
	uv_close((uv_handle_t *)&all->check, NULL);
}
