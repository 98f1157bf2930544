#include "daemon/server.h"
#include "daemon/sandbox.h"
#include "daemon/conn.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/sweeper.h"
#include "proto/mem.h"
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 *     loading ──► serving ──► finishing ──► folding ──► leaving ──► closing
 *
 * finishing: no new connections, mutations are refused, what is in flight is answered. folding:
 * the clean stop's fold, while reads go on. leaving: nothing more is read, and what was asked is answered. */
enum phase { SERVING, FINISHING, FOLDING, LEAVING, CLOSING };

enum { TICK_MS = 250, FINISH_MS = 5000, LEAVE_MS = 1000, STOPPING_SECONDS = 30, ACCEPTS_A_TURN = 64 };

struct server {
	struct service service;
	struct settings *settings;
	struct disk disk;
	struct state_dir dirs;
	struct listener listener;
	struct conns conns;
	struct sweeper *sweeper;
	uv_loop_t loop;
	uv_pipe_t pipe;
	uv_prepare_t turn;
	uv_idle_t sleepless;    /* active while changes gather for a commit */
	unsigned accepted;      /* in this turn */
	bool accept_waits;      /* a connection that is for the next one */
	uv_timer_t tick;
	uv_signal_t signals[2];
	uv_poll_t hangup;       /* a signalfd: see server_hold_hangup */
	int hangup_fd;
	enum phase phase;
	uint64_t finish_until;  /* monotonic microseconds: slow readers are waited for no longer */
	bool folded;
	uv_timer_t watchdog;
	int refused_with;       /* the exit status of a start that is refused */
	uint64_t at_start[TABLE_COUNT]; /* numbers of records */
};

static int64_t wall_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t milliseconds(void) { return service_micros() / 1000; }

/* ---- loading */

struct refusal {
	struct load_finding first;
	bool any;
};

static void report_finding(void *context, const struct load_finding *f)
{
	struct refusal *refusal = context;
	if (f->fatal && !refusal->any) {
		refusal->any = true;
		refusal->first = *f;
	} else {
		log_warning("%s:%" PRIu64 ":%" PRIu64 ": %s", f->file, f->line, f->byte, f->message);
	}
}

/* Without its lock another daemon may write the same files: then nothing may be written any more, and what is in
 * memory may be old. Everything acknowledged is in the files, which the next start reads. */
static void leave_without_lock(struct server *s)
{
	if (state_dir_is_locked(&s->dirs, &s->disk))
		return;
	log_error("somebody removed %s/persistd.lock while the daemon ran: another persistd could have been started on "
	          "the same files, so this one ends; nothing acknowledged is lost, start it again", s->settings->state_dir);
	_exit(EX_TEMPFAIL);
}

static bool committer_ready(void *context) { return journal_ready(((struct server *)context)->service.journal); }

static void committer_commit(void *context, struct journal_batch *b)
{
	struct server *s = context;
	leave_without_lock(s);
	journal_commit(s->service.journal, b);
}

static uint64_t committer_takes(void *context)
{
	return journal_commit_takes(((struct server *)context)->service.journal);
}

static void tell_state(const struct server *s, bool ready)
{
	char reason[256], state[512];
	enum journal_health health = journal_health(s->service.journal, reason, sizeof reason);
	if (health != JOURNAL_SOUND)
		snprintf(state, sizeof state, "degraded, changes %s: %s",
		         health == JOURNAL_WAITING ? "wait" : "are refused", reason);
	else
		snprintf(state, sizeof state, "%" PRIu64 " jobs, %" PRIu64 " runs, %" PRIu64 " artifacts when started; loaded in "
		         "%.3f s", s->at_start[TABLE_JOBS], s->at_start[TABLE_RUNS], s->at_start[TABLE_ARTIFACTS],
		         (double)s->service.load_micros / 1e6);
	if (ready)
		notify_ready("%s", state);
	else
		notify_status("%s", state);
}

static void on_state_changed(void *context)
{
	struct server *s = context;
	char reason[256];
	tell_state(s, false);
	switch (journal_health(s->service.journal, reason, sizeof reason)) {
	case JOURNAL_DEGRADED:
		log_error("degraded: %s; changes are refused until the disk can be trusted again, reads go on", reason);
		break;
	case JOURNAL_REFUSED:
		log_limited(LOG_LEVEL_ERROR, "degraded: %s; each change is tried, and refused until it can be written, reads go on",
		            reason);
		break;
	case JOURNAL_WAITING:
		log_limited(LOG_LEVEL_WARNING, "degraded: %s; changes wait, reads go on", reason);
		break;
	case JOURNAL_SOUND:
		log_info("sound again: changes are taken");
		break;
	}
}

/* The store's own sink, and a word to the service manager now and then: a large store takes its time. */
struct loading {
	struct load_sink to; /* the store's */
	unsigned records;
};

enum { LOADING_SECONDS = 60, RECORDS_A_WORD = 4096 };

static bool load_text(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	struct loading *l = context;
	if (++l->records % RECORDS_A_WORD == 0)
		notify_extend(LOADING_SECONDS);
	return l->to.record(l->to.context, t, text, trusted, fault, at);
}

static bool load_take(void *context, enum table_id t, const struct load_record *made, struct fault *fault)
{
	struct loading *l = context;
	if (++l->records % RECORDS_A_WORD == 0)
		notify_extend(LOADING_SECONDS);
	return l->to.take(l->to.context, t, made, fault);
}

static bool load_put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	struct loading *l = context;
	if (++l->records % RECORDS_A_WORD == 0)
		notify_extend(LOADING_SECONDS);
	return l->to.put(l->to.context, t, text, trusted, fault, at);
}

static bool load_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct loading *l = context;
	return l->to.remove(l->to.context, t, id, fault);
}

static void load_expect(void *context, enum table_id t, uint64_t records)
{
	struct loading *l = context;
	l->to.expect(l->to.context, t, records);
}

static void load_coming(void *context, enum table_id t, const struct span ids[], unsigned count)
{
	struct loading *l = context;
	l->to.coming(l->to.context, t, ids, count);
}

static bool load(struct server *s)
{
	uint64_t begun = service_micros();
	struct refusal refusal = {0};
	struct load_result loaded = {0};
	s->service.store = store_new(wall_clock);
	struct loading loading = {.to = store_sink(s->service.store)};
	struct load_sink sink = {.context = &loading, .record = load_text, .take = load_take, .put = load_put,
	                         .remove = load_remove, .expect = load_expect, .coming = load_coming};
	if (!load_read(&s->disk, &s->dirs.state, &s->dirs.journal, false, &sink, report_finding, &refusal,
	               &loaded)) {
		const struct load_finding *f = &refusal.first;
		log_error("not started: %s/%s:%" PRIu64 ":%" PRIu64 ": %s", s->dirs.state.path, f->file, f->line,
		          f->byte, f->message);
		load_result_free(&loaded);
		return false;
	}
	notify_extend(LOADING_SECONDS); /* the indexes are built next */
	store_loaded(s->service.store, loaded.revision);
	struct journal_options options = {
		.disk = &s->disk, .dirs = &s->dirs, .flush = s->service.flush,
		.source = store_source(s->service.store),
		.now = wall_clock, .ticks = milliseconds, .state_changed = on_state_changed, .context = s,
	};
	s->service.journal = journal_new(&options, &loaded);
	load_result_free(&loaded);
	store_set_committer(s->service.store,
	                    (struct committer){.context = s, .ready = committer_ready,
	                                       .commit = committer_commit, .takes = committer_takes});
	s->service.load_micros = service_micros() - begun;
	return true;
}

/* ---- serving */

static void tick_if_wanted(struct server *s);

static void on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	if (s->phase == FOLDING)
		notify_extend(STOPPING_SECONDS);
	if (s->phase == LEAVING)
		return; /* the turn's end does what there is to do */
	leave_without_lock(s); /* before a fold */
	journal_tick(s->service.journal);
	store_flush(s->service.store); /* a repair may have made it ready again */
	tick_if_wanted(s);
}

/* An idle daemon does not wake up: the timer runs only while the journal has something to come back to, or
 * slow readers are waited for. */
static void tick_if_wanted(struct server *s)
{
	bool wanted = (s->phase > SERVING && s->phase < CLOSING) ||
	              (s->phase == SERVING && journal_wants_tick(s->service.journal));
	if (wanted && !uv_is_active((uv_handle_t *)&s->tick))
		uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	else if (!wanted)
		uv_timer_stop(&s->tick);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	if (status < 0)
		log_limited(LOG_LEVEL_WARNING, "a connection could not be accepted: %s", uv_strerror(status));
	else if (s->accepted++ < ACCEPTS_A_TURN)
		conns_accept(&s->conns, listener);
	else
		s->accept_waits = true; /* until it is accepted libuv takes no more */
}

/* libuv accepts as long as somebody connects: one that connects again and again would have the loop to itself. */
static void accept_turn_ends(struct server *s)
{
	bool waits = s->accept_waits && s->phase == SERVING;
	s->accepted = 0;
	s->accept_waits = false;
	if (waits)
		conns_accept(&s->conns, (uv_stream_t *)&s->pipe);
}

/* ---- stopping */

static void close_everything(struct server *s)
{
	s->phase = CLOSING;
	conns_close(&s->conns);
	uv_close((uv_handle_t *)&s->turn, NULL);
	uv_close((uv_handle_t *)&s->sleepless, NULL);
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->watchdog, NULL);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&s->signals[i], NULL);
	uv_close((uv_handle_t *)&s->hangup, NULL);
}

static void on_folded(void *context, bool folded)
{
	struct server *s = context;
	s->folded = folded;
	if (!folded)
		log_warning("the last fold failed; nothing is lost: the journal holds everything and the next start "
		            "reads it");
	s->phase = LEAVING;
	s->finish_until = service_micros() + LEAVE_MS * UINT64_C(1000);
	conns_leave(&s->conns);
}

/* Reads have gone on while the last snapshots were written: no answer is cut off. */
static void leave_step(struct server *s)
{
	if (s->phase == LEAVING && (conns_silent(&s->conns) || service_micros() >= s->finish_until))
		close_everything(s);
}

static void stop_step(struct server *s)
{
	if (s->phase != FINISHING || !store_idle(s->service.store) || s->service.artifact_reads)
		return;
	if (!conns_quiet(&s->conns) && service_micros() < s->finish_until)
		return;
	s->phase = FOLDING;
	leave_without_lock(s);
	journal_stop(s->service.journal, on_folded, s);
}

static void stop_begin(struct server *s, int signal)
{
	if (s->phase != SERVING) {
		log_warning("%s again: leaving at once; nothing acknowledged is lost",
		            signal == SIGINT ? "SIGINT" : "SIGTERM");
		_exit(1);
	}
	log_info("stopping (%s)", signal == SIGINT ? "SIGINT" : "SIGTERM");
	notify_stopping();
	accept_turn_ends(s); /* what has been taken from the kernel is served, too */
	s->phase = FINISHING;
	s->service.stopping = true;
	sweeper_stop(s->sweeper);
	s->finish_until = service_micros() + FINISH_MS * UINT64_C(1000);
	uv_close((uv_handle_t *)&s->pipe, NULL);
	s->listener.fd = -1; /* the pipe's */
	tick_if_wanted(s);
}

/* ---- settings in force */

/* Descriptors for as many connections as are allowed, where the system lets us. */
static void raise_descriptor_limit(struct limits *limits)
{
	struct rlimit r;
	const rlim_t reserve = 64;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	rlim_t wanted = limits->connections + reserve;
	if (r.rlim_cur < wanted) {
		r.rlim_cur = wanted < r.rlim_max ? wanted : r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	getrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur > reserve && limits->connections > r.rlim_cur - reserve) {
		limits->connections = r.rlim_cur - reserve;
		log_warning("at most %" PRIu64 " connections: the system allows %" PRIu64 " open files",
		            limits->connections, (uint64_t)r.rlim_cur);
	}
}

static void say_cut(const char *key, uint64_t said, uint64_t in_force, const char *totals)
{
	if (in_force < said)
		log_warning("%s is %" PRIu64 " in force for who does not administer, not %" PRIu64 ": no user may have all of "
		            "%s", key, in_force, said, totals);
}

static void share_limits(struct limits *l)
{
	struct limits said = *l;
	users_divide(l);
	say_cut("max_user_connections", said.user_connections, l->user_connections, "max_connections");
	say_cut("max_user_bytes", said.user_bytes, l->user_bytes, "max_in_flight or max_unfinished");
}

static void apply_settings(struct server *s)
{
	s->service.limits = s->settings->limits;
	s->service.roles = &s->settings->roles;
	log_set_level(s->settings->log_level);
	raise_descriptor_limit(&s->service.limits);
	share_limits(&s->service.limits);
}

static void reload(struct server *s)
{
	struct buf changed = {0}, restart = {0};
	char why[1024];
	notify_reloading();
	if (!settings_reload(s->settings, why, sizeof why, &changed, &restart)) {
		log_error("the configuration was not reloaded, what was in force stays: %s", why);
		tell_state(s, true);
		return;
	}
	apply_settings(s);
	conns_roles_changed(&s->conns);
	sweeper_changed(s->sweeper);
	log_info("configuration reloaded from %s: %.*s%s", s->settings->file ? s->settings->file : "no file",
	         (int)changed.len, changed.at, changed.len ? " changed" : "nothing changed");
	if (restart.len)
		log_warning("these take effect with a restart: %.*s", (int)restart.len, restart.at);
	buf_free(&changed);
	buf_free(&restart);
	tell_state(s, true);
}

static void on_signal(uv_signal_t *handle, int signal)
{
	stop_begin(handle->data, signal);
}

static void on_hangup(uv_poll_t *handle, int status, int events)
{
	struct server *s = handle->data;
	struct signalfd_siginfo ignored;
	(void)status;
	(void)events;
	if (read(s->hangup_fd, &ignored, sizeof ignored) > 0 && s->phase == SERVING)
		reload(s);
}

static void on_sleepless(uv_idle_t *idle) { (void)idle; }

static void stay_awake(struct server *s, bool awake)
{
	if (awake)
		uv_idle_start(&s->sleepless, on_sleepless);
	else
		uv_idle_stop(&s->sleepless);
}

/* The end of each turn of the loop: what it has gathered becomes one commit,
 * what it has answered one write a connection. */
static void on_turn(uv_prepare_t *prepare)
{
	struct server *s = prepare->data;
	if (s->phase == CLOSING)
		return;
	accept_turn_ends(s);
	if (store_gathers(s->service.store))
		conns_write(&s->conns); /* whom it waits for is told first */
	store_flush(s->service.store);
	conns_write(&s->conns);
	stay_awake(s, store_gathers(s->service.store));
	tick_if_wanted(s);
	stop_step(s);
	leave_step(s);
}

/* ---- the whole life */

static void *zero_for_uv(size_t count, size_t bytes)
{
	size_t all;
	if (__builtin_mul_overflow(count, bytes, &all))
		mem_gone();
	return mem_zero(all);
}

static void watch_signal(struct server *s, int place, int signal)
{
	uv_signal_init(&s->loop, &s->signals[place]);
	s->signals[place].data = s;
	uv_signal_start(&s->signals[place], on_signal, signal);
}

/* It stays blocked in all threads: libuv's handlers come late and go early, and without one a hangup ends the
 * process. */
static void watch_hangup(struct server *s)
{
	sigset_t hangup;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	s->hangup_fd = signalfd(-1, &hangup, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->hangup_fd < 0)
		abort(); /* no descriptor is left, as where uv_loop_init ends the process */
	uv_poll_init(&s->loop, &s->hangup, s->hangup_fd);
	s->hangup.data = s;
	uv_poll_start(&s->hangup, UV_READABLE, on_hangup);
}

/* As long as the loop turns the service manager hears of it. */
static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_watchdog();
}

static void watch_loop(struct server *s)
{
	uint64_t interval = notify_watchdog_interval() / 1000;
	uv_timer_init(&s->loop, &s->watchdog);
	if (interval)
		uv_timer_start(&s->watchdog, on_watchdog, 0, interval / 3 ? interval / 3 : 1);
	uv_unref((uv_handle_t *)&s->watchdog);
}

static void handles_open(struct server *s)
{
	signal(SIGPIPE, SIG_IGN);
	watch_signal(s, 0, SIGTERM);
	watch_signal(s, 1, SIGINT);
	watch_hangup(s);
	uv_prepare_init(&s->loop, &s->turn);
	s->turn.data = s;
	uv_prepare_start(&s->turn, on_turn);
	uv_idle_init(&s->loop, &s->sleepless);
	uv_timer_init(&s->loop, &s->tick);
	s->tick.data = s;
	conns_init(&s->conns, &s->service, &s->loop);
	s->sweeper = sweeper_new(&s->service, &s->settings->retention, &s->loop);
	watch_loop(s);
	uv_pipe_init(&s->loop, &s->pipe, 0);
	s->pipe.data = s;
	uv_pipe_open(&s->pipe, s->listener.fd);
	uv_listen((uv_stream_t *)&s->pipe, LISTENER_BACKLOG, on_connection);
}

static void report_ready(const struct server *s)
{
	const struct store *store = s->service.store;
	log_info("ready: %" PRIu64 " jobs, %" PRIu64 " runs, %" PRIu64 " artifacts, revision %" PRIu64
	         ", loaded in %.3f s; socket %s, state %s",
	         table_count(store_table(store, TABLE_JOBS)), table_count(store_table(store, TABLE_RUNS)),
	         table_count(store_table(store, TABLE_ARTIFACTS)), store_revision(store),
	         (double)s->service.load_micros / 1e6, s->listener.path, s->dirs.state.path);
}

/* False: there is no such group. */
static bool socket_group(struct server *s)
{
	const char *name = s->settings->socket_group;
	s->service.socket_group = getegid();
	if (!name[0])
		return true;
	const struct group *group = getgrnam(name);
	if (group)
		s->service.socket_group = group->gr_gid;
	else
		log_error("not started: socket_group: this machine has no group %s", name);
	return group != NULL;
}

/* Whoever has configured another socket waits for clients where none come. */
static void warn_of_other_socket(const struct server *s)
{
	struct stat passed, configured;
	const char *from = settings_from(s->settings, "socket"), *path = s->settings->socket;
	bool same = strcmp(path, s->listener.path) == 0 ||
	            (stat(path, &configured) == 0 && stat(s->listener.path, &passed) == 0 &&
	             configured.st_dev == passed.st_dev && configured.st_ino == passed.st_ino);
	if (from && !same)
		log_warning("%s: socket = %s is not used: the service manager passed %s", from, path, s->listener.path);
}

static bool listen_where_it_is_said(struct server *s)
{
	char why[1024] = "";
	int passed = notify_listen_fd(why, sizeof why);
	if (passed == -2 || (passed >= 0 && !listener_inherit(&s->listener, passed))) {
		s->refused_with = EX_CONFIG; /* the unit's */
		log_error("not started: %s", passed == -2 ? why : "the socket that the service manager passed has no path");
		return false;
	}
	if (passed >= 0) {
		warn_of_other_socket(s);
		return true;
	}
	struct listener_options o = {.path = s->settings->socket, .mode = s->settings->socket_mode,
	                             .group = s->settings->socket_group[0] ? s->service.socket_group : LISTENER_OWN_GROUP};
	if (listener_open(&s->listener, &o, why, sizeof why))
		return true;
	log_error("not started: %s", why);
	return false;
}

/* As it is said. Where it is not, what an administrator has made is left alone. */
static bool set_state_mode(struct server *s)
{
	struct state_dir_change change;
	const char *from = settings_from(s->settings, "state_dir_mode");
	mode_t mode = s->settings->state_dir_mode;
	if (!from)
		return true;
	if (!state_dir_set_mode(&s->dirs, &s->disk, mode, &change)) {
		log_error("not started: %s cannot get the mode %04o, as %s says: %s", s->dirs.state.path, mode, from,
		          strerror(errno));
		return false;
	}
	if (change.dirs)
		log_info("%s: the mode becomes %04o, as %s says, and was %04o: %u directories and %" PRIu64 " files have changed",
		         s->dirs.state.path, mode, from, change.was, change.dirs, change.files);
	if (change.left)
		log_warning("%s: the mode of %" PRIu64 " files could not be changed", s->dirs.state.path,
		            change.left);
	return true;
}

static bool open_state(struct server *s)
{
	char why[1024] = "";
	if (state_dir_open(&s->dirs, &s->disk, s->settings->state_dir, true, why, sizeof why))
		return set_state_mode(s);
	log_error("not started: %s", why);
	return false;
}

/* Once what it opens by itself is open, and before it reads what others have written. */
static void confine(const struct server *s)
{
	char why[512], *of_socket = mem_copy(s->settings->socket, strlen(s->settings->socket) + 1);
	char *slash = strrchr(of_socket, '/');
	if (!s->settings->sandbox) {
		log_info("not confined: %s says so", settings_from(s->settings, "sandbox"));
	} else {
		slash ? (void)(slash[slash == of_socket] = '\0') : (void)strcpy(of_socket, "");
		const char *dirs[] = {s->settings->state_dir, of_socket};
		if (!sandbox_enter(dirs, 2, why, sizeof why))
			log_info("confined in part only: %s", why);
	}
	free(of_socket);
}

static bool open_all(struct server *s, struct settings *settings)
{
	s->settings = settings;
	s->disk = (struct disk){.ops = &disk_system};
	s->listener = (struct listener){.fd = -1, .lock = -1};
	s->service = (struct service){.disk = &s->disk, .dirs = &s->dirs, .socket_path = settings->socket,
	                              .started_at = wall_clock(), .started_micros = service_micros()};
	apply_settings(s);
	ident_init();
	s->refused_with = EX_CONFIG;
	if (!socket_group(s))
		return false;
	s->refused_with = EX_TEMPFAIL;
	if (!open_state(s))
		return false;
	confine(s);
	uv_loop_init(&s->loop);
	s->service.flush = flush_uv_new(&s->loop);
	s->refused_with = EX_DATAERR;
	if (!load(s))
		return false;
	s->refused_with = EX_TEMPFAIL;
	if (!listen_where_it_is_said(s))
		return false;
	s->service.socket_path = s->listener.path;
	if (listener_group(&s->listener, &s->service.socket_group))
		return true;
	log_error("not started: cannot look at %s: %s", s->listener.path, strerror(errno));
	return false;
}

static void close_all(struct server *s)
{
	sweeper_free(s->sweeper);
	journal_free(s->service.journal);
	store_free(s->service.store);
	flush_uv_free(s->service.flush);
	uv_loop_close(&s->loop);
	close(s->hangup_fd);
	listener_close(&s->listener);
	state_dir_close(&s->dirs, &s->disk);
}

void server_hold_hangup(bool hold)
{
	sigset_t hangup;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &hangup, NULL);
}

int server_run(struct settings *settings)
{
	static struct server s;
	/* libuv aborts without a word in some places where it gets none. */
	uv_replace_allocator(mem_alloc, mem_resize, zero_for_uv, free);
	if (!open_all(&s, settings))
		return s.refused_with; /* the process ends here: its descriptors, locks and memory go with it */
	handles_open(&s);
	for (int t = 0; t < TABLE_COUNT; t++)
		s.at_start[t] = table_count(store_table(s.service.store, (enum table_id)t));
	report_ready(&s);
	tell_state(&s, true);
	if (journal_degraded(s.service.journal, NULL))
		on_state_changed(&s);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	close_all(&s);
	log_info("stopped");
	return 0;
}
