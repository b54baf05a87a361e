// A folder of photos to people: in how many photos is each of them.
//
//     node album_people.js FOLDER DATABASE
import { Album, Engine } from "fusiform";

const [folder, database] = process.argv.slice(2);
const album = await Album.open(database, new Engine());
const { nFiles, nNewFaces } = await album.scan(folder);
console.log(`${nFiles} photos, ${nNewFaces} new faces`);
await album.group();
for (const { id, nPhotos, nFaces } of await album.people()) {
  console.log(`person ${id}: ${nPhotos} photos, ${nFaces} faces`);
}
await album.close();
