// swift-tools-version:5.9
// `../build-ios.sh` makes FusiformFFI.xcframework and Sources/Fusiform; neither is kept.
import PackageDescription

let package = Package(
    name: "Fusiform",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Fusiform", targets: ["Fusiform"])],
    targets: [
        .binaryTarget(name: "FusiformFFI", path: "FusiformFFI.xcframework"),
        .target(name: "Fusiform", dependencies: ["FusiformFFI"]),
    ]
)
