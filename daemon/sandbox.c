#include "daemon/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LIBSECCOMP
#include <seccomp.h>
#include <sys/socket.h>
#endif

/* What is missing, one reason behind the other. */
struct reasons {
	char *text;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add_reason(struct reasons *r, const char *format, ...)
{
	va_list args;
	if (r->len > 0 && r->len + 2 < r->size)
		r->len += (size_t)snprintf(r->text + r->len, r->size - r->len, "; ");
	va_start(args, format);
	int added = vsnprintf(r->text + r->len, r->size - r->len, format, args);
	va_end(args);
	if (added > 0)
		r->len += (size_t)added < r->size - r->len ? (size_t)added : r->size - r->len - 1;
}

/* ---- files */

/* Newer kernels' rights, by the version that brought them: Debian 12's headers end before the last. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (UINT64_C(1) << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
enum { REFER_SINCE = 2, TRUNCATE_SINCE = 3 };

#define OURS (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | \
              LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define NOBODYS (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
                 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* The directory itself or, where it is missing, the nearest one above that is there. -1: errno */
static int open_nearest(const char *path)
{
	char at[4096];
	if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (;;) {
		int fd = open(at[0] ? at : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		char *slash = strrchr(at, '/');
		if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR) || !at[0])
			return fd;
		if (slash)
			slash[slash == at && slash[1]] = '\0';
		else
			at[0] = '\0';
	}
}

static bool allow(int rules, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rights, .parent_fd = open_nearest(path)};
	if (beneath.parent_fd < 0)
		return false;
	bool done = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
	int error = errno;
	close(beneath.parent_fd);
	errno = error;
	return done;
}

static void keep_files(const char *const dirs[], size_t count, struct reasons *missing)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t ours = OURS | (version >= TRUNCATE_SINCE ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
	struct landlock_ruleset_attr handled = {
		.handled_access_fs = ours | NOBODYS | (version >= REFER_SINCE ? LANDLOCK_ACCESS_FS_REFER : 0)};
	if (version < 1) {
		add_reason(missing, "landlock: %s", strerror(errno));
		return;
	}
	int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
	bool done = rules >= 0;
	for (size_t i = 0; done && i < count; i++)
		done = !dirs[i] || allow(rules, dirs[i], ours);
	if (!done || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		add_reason(missing, "landlock: %s", strerror(errno));
	if (rules >= 0)
		close(rules);
}

/* ---- system calls */

#ifdef HAVE_LIBSECCOMP

/* Not execve alone: what a daemon that was taken over would go on with. */
static const int forbidden[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(personality),
#ifndef __SANITIZE_ADDRESS__
	SCMP_SYS(ptrace), /* the leak sanitizer's own way of looking */
#endif
};

static void keep_calls(struct reasons *missing)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter) {
		add_reason(missing, "seccomp: libseccomp has no filter");
		return;
	}
	int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; error == 0 && i < sizeof forbidden / sizeof *forbidden; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
		                         SCMP_A0_32(SCMP_CMP_NE, AF_UNIX, 0));
	if (error == 0)
		error = seccomp_load(filter);
	if (error != 0)
		add_reason(missing, "seccomp: %s", strerror(-error));
	seccomp_release(filter);
}

#else

static void keep_calls(struct reasons *missing)
{
	add_reason(missing, "seccomp: built without libseccomp");
}

#endif

bool sandbox_enter(const char *const dirs[], size_t count, char *why, size_t why_size)
{
	struct reasons missing = {.text = why, .size = why_size};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		add_reason(&missing, "no_new_privs: %s", strerror(errno));
	keep_files(dirs, count, &missing);
	keep_calls(&missing);
	return missing.len == 0;
}
