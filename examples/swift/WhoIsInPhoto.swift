// Who is in this photo: portraits with names first, then a photo of several people.
//
//     WhoIsInPhoto PHOTO NAME=PORTRAIT ...
import Foundation
import Fusiform

@main
struct WhoIsInPhoto {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        let engine = try Engine()
        let people = try Gallery.inMemory(engine: engine)
        for portrait in arguments.dropFirst() {
            let parts = portrait.split(separator: "=", maxSplits: 1).map(String.init)
            guard let face = try engine.analyseFile(path: parts[1]).largest else { continue }
            _ = try people.enrol(name: parts[0], face: face)
        }
        guard let photo = arguments.first else { return }
        for face in try engine.analyseFile(path: photo).faces {
            let found = try people.identify(face: face, fmr: 1e-3)
            let box = face.bbox()
            let place = String(format: "%.1f, %.1f", box.xMin, box.yMin)
            let similarity = String(format: "%.3f", found.similarity ?? 0)
            print("\(found.name ?? "unknown") at \(place): similarity \(similarity)")
        }
    }
}
