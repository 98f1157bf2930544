#include "client/call.h"
#include <assert.h>
#include <stdlib.h>

struct call *call_new(enum call_kind kind)
{
	struct call *c = mem_zero(sizeof *c);

	c->kind = kind;
	return c;
}

void call_free(struct call *c)
{
	if (!c)
		return;
	assert(!c->list);
	buf_free(&c->text);
	free(c->ids);
	latest_free(c->latest);
	persist_result_free(c->result);
	free(c->error);
	free(c);
}

bool call_is_answered(const struct call *c)
{
	switch (c->kind) {
	case CALL_ONE: case CALL_BATCH: case CALL_GHOST: return true;
	case CALL_NOTICE: case CALL_PROGRESS: return false;
	}
	abort();
}

static void done(struct call *c)
{
	assert(c->state != CALL_DONE);
	c->state = CALL_DONE;
	buf_free(&c->text);
}

void call_fail(struct call *c, const persist_error *error)
{
	if (!c->error)
		c->error = mem_alloc(sizeof *c->error);
	if (c->error != error)
		*c->error = *error;
	done(c);
}

void call_succeed(struct call *c, struct span result)
{
	free(c->error);
	c->error = NULL;
	c->result = result_new(result);
	done(c);
}

bool call_is_repeatable(const char *method)
{
	const char *near;
	const struct spec_method *m = spec_find(span_of(method), &near);

	return m && (m->role == ROLE_NONE || m->role == ROLE_READ);
}

void call_list_add(struct call_list *l, struct call *c)
{
	assert(!c->list);
	c->list = l;
	c->next = NULL;
	c->previous = l->last;
	if (l->last)
		l->last->next = c;
	else
		l->first = c;
	l->last = c;
	l->count++;
}

void call_list_remove(struct call *c)
{
	struct call_list *l = c->list;

	assert(l);
	if (c->previous)
		c->previous->next = c->next;
	else
		l->first = c->next;
	if (c->next)
		c->next->previous = c->previous;
	else
		l->last = c->previous;
	l->count--;
	c->next = c->previous = NULL;
	c->list = NULL;
}

void call_list_replace(struct call *old, struct call *by)
{
	struct call_list *l = old->list;

	assert(l && !by->list);
	by->list = l;
	by->next = old->next;
	by->previous = old->previous;
	if (by->previous)
		by->previous->next = by;
	else
		l->first = by;
	if (by->next)
		by->next->previous = by;
	else
		l->last = by;
	old->next = old->previous = NULL;
	old->list = NULL;
}
