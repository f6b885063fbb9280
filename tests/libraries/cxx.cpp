/* cxx.cpp: C++ with exceptions, iostreams, containers, regular expressions, a file on /tmp, a
 * locale, random_device, and a thread, which is refused without `threads`.
 *
 * package: g++
 * settings: tmp=4M
 * log: to the log
 * expect: thread: Resource temporarily unavailable
 */
#include <algorithm>
#include <chrono>
#include <fstream>
#include <hearth.h>
#include <iomanip>
#include <iostream>
#include <locale>
#include <map>
#include <memory>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

namespace
{

struct shape {
    virtual ~shape() = default;
    virtual double area() const = 0;
};

struct square : shape {
    explicit square(double a) : side(a)
    {
        if (a < 0)
            throw std::invalid_argument("a side below zero");
    }
    double area() const override
    {
        return side * side;
    }
    double side;
};

/* A destructor that an exception runs. */
struct mark {
    explicit mark(std::ostream &o) : out(o)
    {
    }
    ~mark()
    {
        out << "unwound\n";
    }
    std::ostream &out;
};

void
throw_through(std::ostream &out, int depth)
{
    mark m(out);

    if (depth == 0)
        throw std::runtime_error("from below");
    throw_through(out, depth - 1);
}

void
use_files(std::ostream &out, const std::string &body)
{
    std::ofstream("/tmp/cxx.txt") << body << '\n' << std::hex << 255;
    std::ifstream in("/tmp/cxx.txt");
    std::string line, number;

    std::getline(in, line);
    in >> number;
    out << "file: " << (line == body) << ' ' << number << '\n';
    std::remove("/tmp/cxx.txt");
    std::ifstream missing;
    missing.exceptions(std::ios::failbit);
    try {
        missing.open("/missing/file");
    } catch (const std::ios_base::failure &) {
        out << "missing file: failure\n";
    }
}

void
use_thread(std::ostream &out)
{
    try {
        std::thread([] {}).join();
        out << "thread: ran\n";
    } catch (const std::system_error &e) {
        out << "thread: " << e.code().message() << '\n';
    }
}

std::string
answer(const std::string &body)
{
    std::ostringstream out;
    std::map<std::size_t, std::vector<std::string>> words;
    std::istringstream in(body);

    for (std::string w; in >> w;)
        words[w.size()].push_back(w);
    for (auto &[n, list] : words) {
        std::sort(list.begin(), list.end());
        out << std::setw(3) << n << ':';
        for (const auto &w : list)
            out << ' ' << std::quoted(w);
        out << '\n';
    }
    try {
        throw_through(out, 3);
    } catch (const std::exception &e) {
        out << "caught " << e.what() << '\n';
    }
    try {
        std::unique_ptr<shape> s = std::make_unique<square>(-1);
        out << s->area() << '\n';
    } catch (const std::invalid_argument &e) {
        out << "caught " << e.what() << '\n';
    }
    try {
        std::locale missing("xx_XX.UTF-8");
    } catch (const std::runtime_error &) {
        out << "no such locale\n";
    }
    out << std::regex_replace(body, std::regex("([a-z]+) ([a-z]+)"), "$2 $1") << '\n';
    out << std::fixed << std::setprecision(4) << square(1.5).area() << '\n';
    std::mt19937 engine(42);
    out << "mt19937 " << engine() << ' ' << std::uniform_int_distribution<>(1, 6)(engine) << '\n';
    std::random_device device;
    out << "random_device " << (device() != device() || device() != device()) << '\n';
    use_files(out, body);
    use_thread(out);
    std::cout << "to the log" << std::endl;
    return out.str();
}

} // namespace

extern "C" int
hearth_handle(hearth_call *call)
{
    std::size_t n;
    const char *body = static_cast<const char *>(hearth_body(call, &n));

    try {
        std::string text = answer(std::string(body, n));

        return hearth_write(call, text.data(), text.size());
    } catch (const std::exception &e) {
        return hearth_printf(call, "uncaught: %s\n", e.what());
    }
}
