// A folder of photos to people: in how many photos is each of them.
//
//     AlbumPeople FOLDER DATABASE
import Fusiform

@main
struct AlbumPeople {
    static func main() throws {
        let (folder, database) = (CommandLine.arguments[1], CommandLine.arguments[2])
        let album = try Album.open(path: database, engine: Engine())
        defer { album.shut() }
        let summary = try album.scan(folders: [folder])
        print("\(summary.nFiles) photos, \(summary.nNewFaces) new faces")
        _ = try album.group()
        for person in try album.people() {
            print("person \(person.id): \(person.nPhotos) photos, \(person.nFaces) faces")
        }
    }
}
