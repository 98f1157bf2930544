/* roles: who may do what, by the user and the groups on the other end of a connection.
 *
 * What decides, the first that fits: a rule for the user; being the daemon's own user or root, who are admin; rules
 * for the user's groups, of which the highest role wins; being in the socket's group, whose members may write; the
 * rule for everyone. Whom nothing fits has no role. */
#pragma once
#include "proto/spec.h"
#include "proto/buf.h"
#include <sys/types.h>

enum role_who { ROLE_USER, ROLE_GROUP, ROLE_EVERYONE };

struct role_rule {
	enum role_who who;
	unsigned id; /* of the user or group */
	enum role role;
};

struct roles {
	struct role_rule *rules;
	size_t count;
};

/* Adds a rule for each word of `text`: "alice", "1000", "@group", "@1000", "*", with blanks or commas between them.
 * A name that this machine does not have gets no rule, as who is removed takes nobody else's away; it is added to
 * `unknown` ("user alice, group staff"; NULL: not asked for). False: `why` says the word that is no name; nothing was
 * added. */
bool roles_add(struct roles *r, enum role role, const char *text, struct buf *unknown, char *why, size_t why_size);
void roles_free(struct roles *r);
struct roles roles_copy(const struct roles *r);

/* The other end of a connection, as the kernel says it. */
struct peer {
	uid_t uid;
	pid_t pid;
	gid_t *groups; /* all of them, the primary one first; owned */
	size_t group_count;
};

bool peer_of(int fd, struct peer *p); /* false: errno */
void peer_free(struct peer *p);

enum role roles_of(const struct roles *r, const struct peer *p, gid_t socket_group);
