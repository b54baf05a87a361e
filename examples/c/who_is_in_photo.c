/* Who is in this photo: portraits with names first, then a photo of several people.
 *
 *     who_is_in_photo PHOTO NAME=PORTRAIT ...
 */

#include <fusiform.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (argc < 2) {
        fprintf(stderr, "usage: %s PHOTO NAME=PORTRAIT ...\n", argv[0]);
        return 2;
    }
    FusiformEngine engine;
    FusiformGallery people;
    check(fusiform_engine_open_builtin(&engine, &error));
    check(fusiform_gallery_open(NULL, engine, &people, &error));

    FusiformPhoto photo;
    for (int i = 2; i < argc; i++) {
        char *path = strchr(argv[i], '=');
        if (path == NULL) {
            fprintf(stderr, "%s is not NAME=PORTRAIT\n", argv[i]);
            return 2;
        }
        *path++ = '\0';
        size_t largest;
        check(fusiform_analyse_file(engine, path, NULL, &photo, &error));
        check(fusiform_photo_largest(photo, &largest, &error));
        check(fusiform_gallery_enrol(people, argv[i], photo, largest, NULL, &error));
        check(fusiform_photo_close(photo, &error));
    }

    FusiformPhotoInfo info;
    check(fusiform_analyse_file(engine, argv[1], NULL, &photo, &error));
    check(fusiform_photo_info(photo, &info, &error));
    for (size_t i = 0; i < info.n_faces; i++) {
        FusiformFace face;
        FusiformIdentification found;
        char name[256];
        check(fusiform_photo_face(photo, i, &face, &error));
        check(fusiform_gallery_identify(people, photo, i, 1e-3, &found, name, sizeof name, &error));
        printf("%s at %.1f, %.1f: similarity %.3f\n", found.is_named ? name : "unknown",
               face.bbox.x_min, face.bbox.y_min, found.similarity);
    }

    check(fusiform_photo_close(photo, &error));
    check(fusiform_gallery_close(people, &error));
    check(fusiform_engine_close(engine, &error));
    return 0;
}
