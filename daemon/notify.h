/* notify: what the service manager is told, and what it hands over. Built without libsystemd, or run by somebody
 * else, nothing is told and nothing is handed over. Main thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The listening Unix socket that was passed by socket activation; -1: none; -2: what was passed is none, `why` says
 * what it is. Called once. */
int notify_listen_fd(char *why, unsigned why_size);
/* The path of the socket that was passed, whether it has been taken or not; NULL: none was, or it has no path. */
const char *notify_listen_path(void);

__attribute__((format(printf, 1, 2))) void notify_ready(const char *status, ...);
__attribute__((format(printf, 1, 2))) void notify_status(const char *status, ...);
void notify_reloading(void); /* until notify_ready */
void notify_stopping(void);
/* The start (or the stop) is still getting on: at least so much longer. Cheap enough to be called often: it tells at
 * most every second. */
void notify_extend(unsigned seconds);

/* Microseconds within which the manager wants to hear from the loop; 0: it does not. */
uint64_t notify_watchdog_interval(void);
void notify_watchdog(void);
