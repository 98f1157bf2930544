/* json_view: JSON text as people read it: what fits is on one line, {"a": 1, "b": [2]}; what does not is
 * indented. Fit for the screen. No recursion: any depth. */
#pragma once
#include "client/ctl/screen.h"

/* Appends `json` (checked). Lines after the first start with `indent` blanks; a container stays on one line
 * as long as it takes at most `room` columns. No newline at the end. */
void json_view(struct buf *out, const struct screen *s, struct span json, unsigned indent, unsigned room);
