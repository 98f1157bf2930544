/* paint: colours by meaning, so that each is chosen once. */
#pragma once
#include "client/ctl/screen.h"

enum paint { PAINT_NONE, PAINT_TITLE, PAINT_DIM, PAINT_BUSY, PAINT_GOOD, PAINT_BAD, PAINT_STOPPED };

/* Appends the text between the colour's escapes; where the screen has no colour, the text alone. */
void paint_text(struct buf *out, const struct screen *s, enum paint paint, struct span text);
/* The colour of a job's or a run's status. */
enum paint paint_of_status(struct span status);
