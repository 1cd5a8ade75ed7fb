<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
      <colorPalette>
        <paletteEntry value="0" color="#e69f00" alpha="255" label="0" />
        <paletteEntry value="1" color="#56b4e9" alpha="255" label="1" />
      </colorPalette>
    </rasterrenderer>
  </pipe>
</qgis>
