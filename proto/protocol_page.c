/* Writes docs/protocol.md to stdout. */
#include "proto/discover.h"
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	__attribute__((cleanup(buf_free))) struct buf page = {0};

	discover_markdown(&page);
	if (fwrite(page.at, 1, page.len, stdout) != page.len || fflush(stdout) != 0) {
		perror("protocol-page: stdout");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
