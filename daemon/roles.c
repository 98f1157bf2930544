#include "daemon/roles.h"
#include "proto/mem.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_number(const char *word) { return word[0] && !word[strspn(word, "0123456789")]; }

static bool number(const char *word, unsigned *id)
{
	errno = 0;
	unsigned long n = strtoul(word, NULL, 10);
	*id = (unsigned)n;
	return is_number(word) && !errno && n < UINT32_MAX;
}

static bool user_id(const char *word, unsigned *id)
{
	const struct passwd *user = number(word, id) ? NULL : getpwnam(word);
	if (user)
		*id = user->pw_uid;
	return user || number(word, id);
}

static bool group_id(const char *word, unsigned *id)
{
	const struct group *group = number(word, id) ? NULL : getgrnam(word);
	if (group)
		*id = group->gr_gid;
	return group || number(word, id);
}

/* Could a user or group be called so? Not where somebody has meant a comment. */
static bool is_name(const char *word)
{
	unsigned id;
	return word[0] && !strchr("#;", word[0]) && (!is_number(word) || number(word, &id));
}

static bool rule_of(const char *word, struct role_rule *rule)
{
	if (strcmp(word, "*") == 0) {
		rule->who = ROLE_EVERYONE;
		return true;
	}
	rule->who = word[0] == '@' ? ROLE_GROUP : ROLE_USER;
	return word[0] == '@' ? group_id(word + 1, &rule->id) : user_id(word, &rule->id);
}

bool roles_add(struct roles *r, enum role role, const char *text, struct buf *unknown, char *why, size_t why_size)
{
	char *words = mem_copy(text, strlen(text) + 1), *rest;
	size_t before = r->count;
	bool good = true;
	for (char *word = strtok_r(words, " \t,", &rest); word && good; word = strtok_r(NULL, " \t,", &rest)) {
		struct role_rule rule = {.role = role};
		bool group = word[0] == '@';
		good = is_name(word + group);
		if (!good) {
			snprintf(why, why_size, "expected users, @groups or *, not %.64s", word);
		} else if (rule_of(word, &rule)) {
			r->rules = mem_resize(r->rules, (r->count + 1) * sizeof *r->rules);
			r->rules[r->count++] = rule;
		} else if (unknown) {
			buf_printf(unknown, "%s%s %.64s", unknown->len ? ", " : "", group ? "group" : "user", word + group);
		}
	}
	free(words);
	if (!good)
		r->count = before;
	return good;
}

struct roles roles_copy(const struct roles *r)
{
	return (struct roles){mem_copy(r->rules, r->count * sizeof *r->rules), r->count};
}

void roles_free(struct roles *r)
{
	free(r->rules);
	*r = (struct roles){0};
}

/* ---- peers */

bool peer_of(int fd, struct peer *p)
{
	struct ucred who;
	socklen_t size = sizeof who;
	*p = (struct peer){0};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return false;
	p->uid = who.uid;
	p->pid = who.pid;
	size = 32 * sizeof *p->groups;
	for (;;) { /* the kernel says how much room it wants */
		p->groups = mem_resize(p->groups, size + sizeof *p->groups);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, p->groups + 1, &size) == 0)
			break;
		if (errno != ERANGE) {
			peer_free(p);
			return false;
		}
	}
	p->groups[0] = who.gid;
	p->group_count = 1 + size / sizeof *p->groups;
	return true;
}

void peer_free(struct peer *p)
{
	free(p->groups);
	p->groups = NULL;
	p->group_count = 0;
}

static bool in_group(const struct peer *p, gid_t group)
{
	for (size_t i = 0; i < p->group_count; i++)
		if (p->groups[i] == group)
			return true;
	return false;
}

static bool fits(const struct role_rule *rule, const struct peer *p)
{
	switch (rule->who) {
	case ROLE_USER: return rule->id == p->uid;
	case ROLE_GROUP: return in_group(p, rule->id);
	case ROLE_EVERYONE: return true;
	}
	abort();
}

/* Of the rules of one sort. */
static bool highest(const struct roles *r, const struct peer *p, enum role_who who, enum role *role)
{
	bool any = false;
	for (size_t i = 0; i < r->count; i++) {
		const struct role_rule *rule = &r->rules[i];
		if (rule->who != who || !fits(rule, p) || (any && rule->role <= *role))
			continue;
		*role = rule->role;
		any = true;
	}
	return any;
}

enum role roles_of(const struct roles *r, const struct peer *p, gid_t socket_group)
{
	enum role role;
	if (highest(r, p, ROLE_USER, &role))
		return role;
	if (p->uid == 0 || p->uid == geteuid())
		return ROLE_ADMIN;
	if (highest(r, p, ROLE_GROUP, &role))
		return role;
	if (in_group(p, socket_group))
		return ROLE_WRITE;
	return highest(r, p, ROLE_EVERYONE, &role) ? role : ROLE_NONE;
}
