// persist.h from C++: it compiles without a warning, links, and its functions do what they do in C.
#include <persist.h>
#include <iostream>
#include <memory>
#include <string>

namespace {

struct closer {
	void operator()(persist_client *c) const { persist_close(c); }
	void operator()(persist_result *r) const { persist_result_free(r); }
};

void on_answer(persist_client *, persist_result *r, const persist_error *e, void *arg)
{
	*static_cast<std::string *>(arg) = e ? e->message : persist_result_member(r, "id");
}

} // namespace

int main(int argc, char **argv)
{
	std::unique_ptr<persist_client, closer> c(persist_open(argc > 1 ? argv[1] : nullptr));
	persist_error e;
	persist_result *r = nullptr;
	const std::string job = R"({"id":"from-cpp","type":"custom"})";

	if (persist_job_save(c.get(), persist_text_n(job.data(), job.size()), nullptr, &r, &e) != PERSIST_OK) {
		std::cerr << e.message << '\n';
		return 1;
	}
	std::unique_ptr<persist_result, closer> saved(r);
	std::string answer;
	if (persist_submit(c.get(), "job.get", persist_text(R"({"id":"from-cpp"})"), on_answer, &answer, &e) != 0)
		return 1;
	if (persist_job_delete(c.get(), "from-cpp", nullptr, &e) != 0)
		return 1;
	std::cout << answer << ' ' << persist_result_member(saved.get(), "status") << '\n';
	return 0;
}
