#include "daemon/notify.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#ifdef HAVE_LIBSYSTEMD
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

static uint64_t monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int notify_listen_fd(char *why, unsigned why_size)
{
	int count = sd_listen_fds(true);
	if (count <= 0)
		return -1;
	if (count > 1)
		snprintf(why, why_size, "the service manager passed %d sockets, and one is enough", count);
	else if (sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
		snprintf(why, why_size, "what the service manager passed is no listening Unix stream socket");
	else
		return SD_LISTEN_FDS_START;
	return -2;
}

const char *notify_listen_path(void)
{
	static struct sockaddr_un address;
	static bool asked;
	socklen_t size = sizeof address - 1; /* the last byte stays NUL */
	if (!asked && sd_listen_fds(false) > 0 && getsockname(SD_LISTEN_FDS_START, (struct sockaddr *)&address, &size) < 0)
		address.sun_path[0] = '\0';
	asked = true; /* the socket is taken later, and nothing tells of it then */
	return address.sun_family == AF_UNIX && address.sun_path[0] == '/' ? address.sun_path : NULL;
}

static void tell(const char *first, const char *status, va_list args)
{
	char text[512], whole[600];
	vsnprintf(text, sizeof text, status, args);
	snprintf(whole, sizeof whole, "%sSTATUS=%s", first, text);
	sd_notify(false, whole);
}

void notify_ready(const char *status, ...)
{
	va_list args;
	va_start(args, status);
	tell("READY=1\n", status, args);
	va_end(args);
}

void notify_status(const char *status, ...)
{
	va_list args;
	va_start(args, status);
	tell("", status, args);
	va_end(args);
}

void notify_reloading(void)
{
	sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)monotonic());
}

void notify_stopping(void)
{
	sd_notify(false, "STOPPING=1\nSTATUS=stopping");
}

void notify_extend(unsigned seconds)
{
	static uint64_t told;
	uint64_t now = monotonic();
	if (now - told < 1000000)
		return;
	told = now;
	sd_notifyf(false, "EXTEND_TIMEOUT_USEC=%llu", seconds * 1000000ULL);
}

uint64_t notify_watchdog_interval(void)
{
	uint64_t micros;
	return sd_watchdog_enabled(false, &micros) > 0 ? micros : 0;
}

void notify_watchdog(void)
{
	sd_notify(false, "WATCHDOG=1");
}

#else

const char *notify_listen_path(void) { return NULL; }

int notify_listen_fd(char *why, unsigned why_size)
{
	(void)why;
	(void)why_size;
	return -1;
}

void notify_ready(const char *status, ...) { (void)status; }
void notify_status(const char *status, ...) { (void)status; }
void notify_reloading(void) {}
void notify_stopping(void) {}
void notify_extend(unsigned seconds) { (void)seconds; }
uint64_t notify_watchdog_interval(void) { return 0; }
void notify_watchdog(void) {}

#endif
