/* manual: the commands of persistctl(1), as roff, made of the same rows as help.
 *
 * `persistctl __manual` prints them; docs/man/write_pages.sh puts them between what docs/man/persistctl.1.in
 * says of persistctl as a whole. */
#pragma once
#include "client/ctl/command.h"

enum exit_status manual_print(const struct commands *all);
