#include "daemon/tree.h"
#include <assert.h>
#include <string.h>

/* The priority of an element is a bijection of its number, so no two are equal, none is stored, and the
 * same element has the same in each tree. Multiply-and-shift mixing with the constants of C. Wellons'
 * hash-prospector ("lowbias32", public domain). */
static uint32_t priority(const struct tree_kind *k, uint32_t element)
{
	uint32_t x = element ^ k->seed;

	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

uint32_t tree_size(const struct tree_kind *k, uint32_t root)
{
	uint32_t size = 0;

	while (root != 0) {
		const struct tree_node *n = tree_node(k, root);

		size += n->rank;
		root = n->right;
	}
	return size;
}

static uint32_t elements_before(const struct tree_kind *k, uint32_t root, uint32_t element)
{
	uint32_t count = 0;

	while (root != 0) {
		const struct tree_node *n = tree_node(k, root);

		if (k->compare(k, element, root) > 0) {
			count += n->rank;
			root = n->right;
		} else {
			root = n->left;
		}
	}
	return count;
}

/* Divides a tree by place: the first `before` elements go to *left. Knowing how many go there fixes the
 * ranks on the way down, so that no way back is needed. */
static void split(const struct tree_kind *k, uint32_t root, uint32_t before, uint32_t *left, uint32_t *right)
{
	while (root != 0) {
		struct tree_node *n = tree_node(k, root);

		if (n->rank <= before) {
			*left = root;
			left = &n->right;
			before -= n->rank;
			root = n->right;
		} else {
			*right = root;
			right = &n->left;
			n->rank -= before;
			root = n->left;
		}
	}
	*left = *right = 0;
}

/* Makes one tree of two, all of `left` (of that size) before all of `right`. */
static void join(const struct tree_kind *k, uint32_t left, uint32_t left_size, uint32_t right, uint32_t *root)
{
	while (left != 0 && right != 0) {
		if (priority(k, left) > priority(k, right)) {
			struct tree_node *n = tree_node(k, left);

			*root = left;
			root = &n->right;
			left_size -= n->rank;
			left = n->right;
		} else {
			struct tree_node *n = tree_node(k, right);

			*root = right;
			root = &n->left;
			n->rank += left_size;
			right = n->left;
		}
	}
	*root = left ? left : right;
}

void tree_insert(const struct tree_kind *k, uint32_t *root, uint32_t element)
{
	struct tree_node *fresh = tree_node(k, element);
	uint32_t mine = priority(k, element);

	while (*root != 0 && priority(k, *root) > mine) {
		struct tree_node *n = tree_node(k, *root);

		if (k->compare(k, element, *root) < 0) {
			n->rank++;
			root = &n->left;
		} else {
			root = &n->right;
		}
	}
	assert(*root != element);
	uint32_t below = *root, before = elements_before(k, below, element);
	fresh->rank = before + 1;
	split(k, below, before, &fresh->left, &fresh->right);
	*root = element;
}

void tree_append(const struct tree_kind *k, uint32_t *root, uint32_t element)
{
	struct tree_node *fresh = tree_node(k, element);
	uint32_t mine = priority(k, element);

	while (*root != 0 && priority(k, *root) > mine)
		root = &tree_node(k, *root)->right;
	*fresh = (struct tree_node){.left = *root, .rank = tree_size(k, *root) + 1};
	*root = element;
}

void tree_remove(const struct tree_kind *k, uint32_t *root, uint32_t element)
{
	while (*root != element) {
		assert(*root != 0);
		struct tree_node *n = tree_node(k, *root);

		if (k->compare(k, element, *root) < 0) {
			n->rank--;
			root = &n->left;
		} else {
			root = &n->right;
		}
	}
	struct tree_node *gone = tree_node(k, element);
	join(k, gone->left, gone->rank - 1, gone->right, root);
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
	for (;;) {
		assert(root != 0);
		const struct tree_node *n = tree_node(k, root);

		if (place + 1 == n->rank)
			return root;
		if (place < n->rank) {
			root = n->left;
		} else {
			place -= n->rank;
			root = n->right;
		}
	}
}

uint32_t tree_before(const struct tree_kind *k, uint32_t root, const void *key)
{
	uint32_t count = 0;

	while (root != 0) {
		const struct tree_node *n = tree_node(k, root);

		if (k->compare_key(k, root, key) < 0) {
			count += n->rank;
			root = n->right;
		} else {
			root = n->left;
		}
	}
	return count;
}

static void prefetch(const struct tree_kind *k, uint32_t element)
{
	if (element != 0)
		__builtin_prefetch(tree_node(k, element));
}

static void before_together(const struct tree_kind *k, const uint32_t roots[], unsigned count,
                            const void *key, uint32_t before[])
{
	uint32_t at[TREE_TOGETHER];
	unsigned going = count;

	memcpy(at, roots, count * sizeof(at[0]));
	memset(before, 0, count * sizeof(before[0]));
	while (going > 0) {
		going = 0;
		for (unsigned i = 0; i < count; i++) {
			if (at[i] == 0)
				continue;
			const struct tree_node *n = tree_node(k, at[i]);
			bool is_before = k->compare_key(k, at[i], key) < 0;
			before[i] += is_before ? n->rank : 0;
			at[i] = is_before ? n->right : n->left;
			prefetch(k, at[i]);
			going++;
		}
	}
}

void tree_before_each(const struct tree_kind *k, const uint32_t roots[], unsigned count, const void *key,
                      uint32_t before[])
{
	for (unsigned done = 0; done < count; done += TREE_TOGETHER) {
		unsigned left = count - done;

		before_together(k, roots + done, left < TREE_TOGETHER ? left : TREE_TOGETHER, key, before + done);
	}
}

void tree_approach(struct tree_way ways[], unsigned count)
{
	while (count > 0) {
		unsigned going = 0;
		for (unsigned i = 0; i < count; i++) {
			struct tree_way way = ways[i];
			if (way.root == 0 || way.root == way.element)
				continue;
			const struct tree_node *n = tree_node(way.kind, way.root);
			way.root = way.kind->compare(way.kind, way.element, way.root) < 0 ? n->left : n->right;
			prefetch(way.kind, way.root);
			ways[going++] = way;
		}
		count = going;
	}
}

/* On the stack are the elements that are still to come and whose left side has been dealt with. What comes
 * right after one of them is fetched early. */
static void push(struct tree_walk *w, uint32_t element)
{
	w->stack[w->top++ % TREE_WALK_DEPTH] = element;
	if (w->held < TREE_WALK_DEPTH)
		w->held++;
	else
		w->forgot = true;
	prefetch(w->kind, tree_node(w->kind, element)->right);
}

static void seek(struct tree_walk *w)
{
	uint32_t at = w->root, place = w->place;

	w->forgot = false;
	while (at != 0) {
		const struct tree_node *n = tree_node(w->kind, at);

		if (place < n->rank)
			push(w, at);
		if (place + 1 == n->rank)
			return;
		if (place < n->rank) {
			at = n->left;
		} else {
			place -= n->rank;
			at = n->right;
		}
	}
}

void tree_walk_from(struct tree_walk *w, const struct tree_kind *k, uint32_t root, uint32_t place)
{
	w->kind = k;
	w->root = root;
	w->place = place;
	w->top = w->held = 0;
	seek(w);
}

uint32_t tree_walk_next(struct tree_walk *w)
{
	if (w->held == 0 && w->forgot)
		seek(w);
	if (w->held == 0)
		return 0;
	uint32_t element = w->stack[--w->top % TREE_WALK_DEPTH];
	w->held--;
	w->place++;
	for (uint32_t at = tree_node(w->kind, element)->right; at != 0; at = tree_node(w->kind, at)->left)
		push(w, at);
	return element;
}
