/* Is this the same person: two photos, one answer, and what it rests on.
 *
 *     same_person PHOTO PHOTO
 */

#include <fusiform.h>

#include <stdio.h>
#include <stdlib.h>

static FusiformError error;

static void check(FusiformCode code)
{
    if (code != FUSIFORM_CODE_OK) {
        fprintf(stderr, "%s [%s]\n", error.message, fusiform_code_name(code));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static const char *const words[] = {"different", "same", "unsure"};
    if (argc != 3) {
        fprintf(stderr, "usage: %s PHOTO PHOTO\n", argv[0]);
        return 2;
    }
    FusiformEngine engine;
    check(fusiform_engine_open_builtin(&engine, &error));

    FusiformPhoto photos[2];
    size_t faces[2];
    for (int i = 0; i < 2; i++) {
        check(fusiform_analyse_file(engine, argv[1 + i], NULL, &photos[i], &error));
        check(fusiform_photo_largest(photos[i], &faces[i], &error));
    }
    FusiformVerification answer;
    check(fusiform_verify(engine, photos[0], faces[0], photos[1], faces[1], &answer, &error));
    printf("%s: similarity %.3f\n", words[answer.verdict], answer.similarity);
    printf("%.4f of strangers reach %.3f\n", answer.same_at.fmr, answer.same_at.similarity);

    for (int i = 0; i < 2; i++)
        check(fusiform_photo_close(photos[i], &error));
    check(fusiform_engine_close(engine, &error));
    return 0;
}
