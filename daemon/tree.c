#include "daemon/tree.h"
#include <assert.h>

/* The priority of an element is a bijection of its number, so no two are equal, none is stored, and the same element has the same in each
 * tree. Multiply-and-shift mixing with the constants of C. Wellons' hash-prospector ("lowbias32", public domain). */
static uint32_t priority(const struct tree_kind *k, uint32_t element)
{
	uint32_t x = element ^ k->seed;

	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

static uint32_t size_of(const struct tree_kind *k, uint32_t root)
{
	return root ? tree_node(k, root)->size : 0;
}

uint32_t tree_size(const struct tree_kind *k, uint32_t root)
{
	return size_of(k, root);
}

static uint32_t elements_before(const struct tree_kind *k, uint32_t root, uint32_t element)
{
	uint32_t count = 0;

	while (root != 0) {
		const struct tree_node *n = tree_node(k, root);

		if (k->compare(k, element, root) > 0) {
			count += size_of(k, n->left) + 1;
			root = n->right;
		} else {
			root = n->left;
		}
	}
	return count;
}

/* Divides a tree by place: the first `before` elements go to *left. Knowing how many go there fixes the sizes on the way down, so that no
 * way back is needed. */
static void split(const struct tree_kind *k, uint32_t root, uint32_t before, uint32_t *left, uint32_t *right)
{
	while (root != 0) {
		struct tree_node *n = tree_node(k, root);
		uint32_t up_to_here = size_of(k, n->left) + 1;

		if (before >= up_to_here) {
			*left = root;
			left = &n->right;
			n->size = before;
			before -= up_to_here;
			root = n->right;
		} else {
			*right = root;
			right = &n->left;
			n->size -= before;
			root = n->left;
		}
	}
	*left = *right = 0;
}

/* Makes one tree of two, all of `left` before all of `right`. */
static void join(const struct tree_kind *k, uint32_t left, uint32_t right, uint32_t *root)
{
	while (left != 0 && right != 0) {
		struct tree_node *l = tree_node(k, left), *r = tree_node(k, right);

		if (priority(k, left) > priority(k, right)) {
			l->size += r->size;
			*root = left;
			root = &l->right;
			left = l->right;
		} else {
			r->size += l->size;
			*root = right;
			root = &r->left;
			right = r->left;
		}
	}
	*root = left ? left : right;
}

void tree_insert(const struct tree_kind *k, uint32_t *root, uint32_t element)
{
	struct tree_node *fresh = tree_node(k, element);
	uint32_t rank = priority(k, element);

	while (*root != 0 && priority(k, *root) > rank) {
		struct tree_node *n = tree_node(k, *root);

		n->size++;
		root = k->compare(k, element, *root) < 0 ? &n->left : &n->right;
	}
	assert(*root != element);
	uint32_t below = *root, before = elements_before(k, below, element);
	fresh->size = size_of(k, below) + 1;
	split(k, below, before, &fresh->left, &fresh->right);
	*root = element;
}

void tree_remove(const struct tree_kind *k, uint32_t *root, uint32_t element)
{
	while (*root != element) {
		assert(*root != 0);
		struct tree_node *n = tree_node(k, *root);

		n->size--;
		root = k->compare(k, element, *root) < 0 ? &n->left : &n->right;
	}
	struct tree_node *gone = tree_node(k, element);
	join(k, gone->left, gone->right, root);
	*gone = (struct tree_node){0};
}

bool tree_has(const struct tree_kind *k, uint32_t root, uint32_t element)
{
	while (root != 0 && root != element) {
		const struct tree_node *n = tree_node(k, root);

		root = k->compare(k, element, root) < 0 ? n->left : n->right;
	}
	return root != 0;
}

uint32_t tree_at(const struct tree_kind *k, uint32_t root, uint32_t place)
{
	assert(place < size_of(k, root));
	for (;;) {
		const struct tree_node *n = tree_node(k, root);
		uint32_t before = size_of(k, n->left);

		if (place == before)
			return root;
		if (place < before) {
			root = n->left;
		} else {
			root = n->right;
			place -= before + 1;
		}
	}
}

uint32_t tree_before(const struct tree_kind *k, uint32_t root, const void *key)
{
	uint32_t count = 0;

	while (root != 0) {
		const struct tree_node *n = tree_node(k, root);

		if (k->compare_key(k, root, key) < 0) {
			count += size_of(k, n->left) + 1;
			root = n->right;
		} else {
			root = n->left;
		}
	}
	return count;
}

/* On the stack are the elements that are still to come and whose left side has been dealt with. */
static void push(struct tree_walk *w, uint32_t element)
{
	w->stack[w->top++ % TREE_WALK_DEPTH] = element;
	if (w->held < TREE_WALK_DEPTH)
		w->held++;
}

static void seek(struct tree_walk *w)
{
	uint32_t at = w->root, place = w->place;

	while (at != 0) {
		const struct tree_node *n = tree_node(w->kind, at);
		uint32_t before = size_of(w->kind, n->left);

		if (place <= before)
			push(w, at);
		if (place == before)
			return;
		if (place < before) {
			at = n->left;
		} else {
			at = n->right;
			place -= before + 1;
		}
	}
}

void tree_walk_from(struct tree_walk *w, const struct tree_kind *k, uint32_t root, uint32_t place)
{
	w->kind = k;
	w->root = root;
	w->place = place;
	w->top = w->held = 0;
	if (place < size_of(k, root))
		seek(w);
}

uint32_t tree_walk_next(struct tree_walk *w)
{
	if (w->held == 0) {
		if (w->place >= size_of(w->kind, w->root))
			return 0;
		seek(w);
	}
	uint32_t element = w->stack[--w->top % TREE_WALK_DEPTH];
	w->held--;
	w->place++;
	for (uint32_t at = tree_node(w->kind, element)->right; at != 0; at = tree_node(w->kind, at)->left)
		push(w, at);
	return element;
}
