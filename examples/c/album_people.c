/* A folder of photos to people: in how many photos is each of them.
 *
 *     album_people FOLDER DATABASE
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

static void problem(void *context, const char *path, const char *why)
{
    (void)context;
    fprintf(stderr, "%s: %s\n", path, why);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s FOLDER DATABASE\n", argv[0]);
        return 2;
    }
    FusiformEngine engine;
    FusiformAlbum album;
    check(fusiform_engine_open_builtin(&engine, &error));
    check(fusiform_album_open(argv[2], engine, &album, &error));
    /* The album keeps what it needs of the engine. */
    check(fusiform_engine_close(engine, &error));

    const char *folders[] = {argv[1]};
    FusiformScanSummary scanned;
    FusiformGroupSummary grouped;
    check(fusiform_album_scan(album, folders, 1, NULL, problem, NULL, &scanned, &error));
    printf("%zu photos, %zu new faces\n", scanned.n_files, scanned.n_new_faces);
    check(fusiform_album_group(album, &grouped, &error));

    size_t n_people;
    check(fusiform_album_people(album, NULL, 0, &n_people, &error));
    FusiformPerson *people = calloc(n_people + 1, sizeof *people);
    if (people == NULL)
        return 1;
    check(fusiform_album_people(album, people, n_people, &n_people, &error));
    for (size_t i = 0; i < n_people; i++)
        printf("person %lld: %zu photos, %zu faces\n", (long long)people[i].id,
               people[i].n_photos, people[i].n_faces);
    free(people);
    check(fusiform_album_close(album, &error));
    return 0;
}
