// A folder of photos to people: in how many photos is each of them.
//
//     AlbumPeopleKt FOLDER DATABASE
import fusiform.Album
import fusiform.Engine

fun main(arguments: Array<String>) {
    val (folder, database) = arguments
    Album.open(database, Engine()).use { album ->
        val summary = album.scan(listOf(folder))
        println("${summary.nFiles} photos, ${summary.nNewFaces} new faces")
        album.group()
        for (person in album.people()) {
            println("person ${person.id}: ${person.nPhotos} photos, ${person.nFaces} faces")
        }
    }
}
