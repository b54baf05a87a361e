// Is this the same person, in C++: handles that close themselves, errors that are thrown.
//
//     same_person PHOTO PHOTO

#include <fusiform.h>

#include <cstdio>
#include <stdexcept>
#include <utility>

namespace {

// Calls a function of the library with an error to fill, and throws what it said.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments)
{
    FusiformError error;
    if (function(arguments..., &error) != FUSIFORM_CODE_OK)
        throw std::runtime_error(error.message);
}

template <typename Handle, FusiformCode (*close)(Handle, FusiformError *)>
class Owned {
public:
    explicit Owned(Handle handle) : handle_(handle) {}
    Owned(Owned &&other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    ~Owned()
    {
        if (handle_.id != 0)
            close(handle_, nullptr);
    }
    Handle get() const { return handle_; }

private:
    Handle handle_;
};

using Engine = Owned<FusiformEngine, fusiform_engine_close>;
using Photo = Owned<FusiformPhoto, fusiform_photo_close>;

Engine open_engine()
{
    FusiformEngine engine{};
    call(fusiform_engine_open_builtin, &engine);
    return Engine(engine);
}

Photo analyse(const Engine &engine, const char *path)
{
    FusiformPhoto photo{};
    call(fusiform_analyse_file, engine.get(), path, nullptr, &photo);
    return Photo(photo);
}

size_t largest(const Photo &photo)
{
    size_t index = 0;
    call(fusiform_photo_largest, photo.get(), &index);
    return index;
}

} // namespace

int main(int argc, char **argv)
try {
    static const char *const words[] = {"different", "same", "unsure"};
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s PHOTO PHOTO\n", argv[0]);
        return 2;
    }
    const Engine engine = open_engine();
    const Photo a = analyse(engine, argv[1]), b = analyse(engine, argv[2]);
    FusiformVerification answer;
    call(fusiform_verify, engine.get(), a.get(), largest(a), b.get(), largest(b), &answer);
    std::printf("%s: similarity %.3f\n", words[answer.verdict], answer.similarity);
    std::printf("%.4f of strangers reach %.3f\n", answer.same_at.fmr, answer.same_at.similarity);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
