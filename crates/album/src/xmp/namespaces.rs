//! Names of vocabularies. In and out: nothing.

pub(super) const X: &str = "adobe:ns:meta/";
pub(super) const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
pub(super) const XMP: &str = "http://ns.adobe.com/xap/1.0/";
pub(super) const MWG: &str = "http://www.metadataworkinggroup.com/schemas/regions/";
pub(super) const AREA: &str = "http://ns.adobe.com/xmp/sType/Area#";
pub(super) const DIMENSIONS: &str = "http://ns.adobe.com/xap/1.0/sType/Dimensions#";
pub(super) const MPRI: &str = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#";
pub(super) const MPREG: &str = "http://ns.microsoft.com/photo/1.2/t/Region#";
pub(super) const MICROSOFT_PHOTO: &str = "http://ns.microsoft.com/photo/1.0/";
pub(super) const IPTC: &str = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
pub(super) const DIGIKAM: &str = "http://www.digikam.org/ns/1.0/";
pub(super) const LIGHTROOM: &str = "http://ns.adobe.com/lightroom/1.0/";
/// Marks what Fusiform wrote into a file that other programs share.
pub(super) const FUSIFORM: &str = "urn:fusiform:xmp:1";
