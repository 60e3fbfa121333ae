// Package catalogue knows where places are: the regions of the large clouds,
// Hansa's generic regions, and cities of the world, each with coordinates and
// jurisdiction, and how far apart two places are in kilometres and in time.
//
// Names. A region is written as its cloud writes it (ap-northeast-1,
// us-central1, westeurope); a generic region (ap-northeast, eu-central, us-east)
// stands for a part of the world and has the coordinates of one metropolis in
// it. Cities are English names with dashes (new-york). Case does not matter, and
// spaces and underscores read as dashes. The coordinates are those of the city
// or county that the cloud names, good to about 50 km, which is 1 ms.
//
// A region's Place carries Region and, for clouds, Provider; a city's Place has
// neither, since a city is not a failure domain.
//
// All functions but Extend are pure and safe for concurrent use.
package catalogue
